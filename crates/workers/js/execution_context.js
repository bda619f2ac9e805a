/** `ctx`: what a handler is told of its invocation (https://developers.cloudflare.com/workers/runtime-apis/context/). */
import host from "./host_object.js";
import { Error, jsonParse, promiseResolve, promiseThen } from "./primordials.js";
import { current, currentContext, register, settle } from "./invocation.js";
import { ownExports } from "./own_exports.js";
import { INTERNAL, defineInterface, illegalConstructor, requireArguments } from "./webidl.js";

/** @typedef {import("./invocation.js").Context} Context */

export class ExecutionContext {
  /** @type {Context} */
  #context;

  /** @param {any} key @param {any} context */
  constructor(key = undefined, context = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#context = context;
  }

  /** @param {any} promise */
  waitUntil(promise) {
    const context = this.#context;
    requireArguments(arguments.length, 1, "ExecutionContext.waitUntil");
    extend(context, promise);
  }

  /** There is no origin behind a Worker here, so an exception is answered as one; the call is accepted, as code expects. */
  passThroughOnException() {
    void this.#context;
  }

  /** The Worker's own entrypoints. */
  get exports() {
    void this.#context;
    return ownExports();
  }

  get props() {
    const context = this.#context;
    return (context.props ??= context.propsText === undefined ? {} : jsonParse(context.propsText));
  }
}
defineInterface(ExecutionContext);

/**
 * The invocation lasts until the promise has settled.
 * @param {Context} context
 * @param {any} promise
 */
function extend(context, promise) {
  if (context.waiting <= 0) return;
  context.waiting += 1;
  context.background += 1;
  register(context);
  promiseThen(
    promiseResolve(promise),
    () => {
      context.background -= 1;
      settle(context);
    },
    (error) => {
      host.reportError(context.id, error);
      context.background -= 1;
      settle(context);
    },
  );
}

/** `waitUntil` of `cloudflare:workers`: of the invocation whose code runs. @param {any} promise */
export function waitUntil(promise) {
  requireArguments(arguments.length, 1, "waitUntil");
  if (current === 0) throw new Error("waitUntil() can only be called within a handler.");
  extend(currentContext, promise);
}
