/** The class that a Worker's entrypoint may extend instead of being an object of handlers. */

import { isPrototypeOf } from "./primordials.js";

/** @type {(value: any) => boolean} */
export let isEntrypointClass;

export class WorkerEntrypoint {
  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }

  static {
    const Self = this;
    isEntrypointClass = (value) => typeof value === "function" && isPrototypeOf(Self, value);
  }
}
