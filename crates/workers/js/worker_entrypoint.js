/** The class that a Worker's entrypoint may extend instead of being an object of handlers. */

/** @type {(value: any) => boolean} */
export let isEntrypointClass;

export class WorkerEntrypoint {
  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }

  static {
    const { isPrototypeOf } = Object.prototype;
    const Self = this;
    const { apply } = Reflect;
    isEntrypointClass = (value) => typeof value === "function" && apply(isPrototypeOf, Self, [value]);
  }
}
