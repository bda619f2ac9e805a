/**
 * `node:async_hooks` (https://nodejs.org/api/async_context.html), as far as Workers have it: `AsyncLocalStorage` and `AsyncResource`.
 *
 * The engine carries one object along with all that script starts: the frame, a map from each storage to its value.
 */
import { invalidArgType, requireFunction } from "./errors.js";
import { asyncContext } from "./internal_host.js";

/** @typedef {ReadonlyMap<AsyncLocalStorage, any>} Frame */

/** Runs code with a frame. @template T @param {Frame | undefined} frame @param {() => T} code */
function runIn(frame, code) {
  const before = asyncContext.enter(frame);
  try {
    return code();
  } finally {
    asyncContext.enter(before);
  }
}

export class AsyncLocalStorage {
  #default;
  /** @param {{defaultValue?: any, name?: string}} [options] */
  constructor(options = {}) {
    this.#default = options.defaultValue;
    this.name = options.name ?? "";
  }

  /** @param {any} store */
  #frameWith(store) {
    return new Map(/** @type {Frame | undefined} */ (asyncContext.current())).set(this, store);
  }

  /** @param {any} store @param {Function} code @param {any[]} values */
  run(store, code, ...values) {
    return runIn(this.#frameWith(store), () => code(...values));
  }

  /** @param {Function} code @param {any[]} values */
  exit(code, ...values) {
    return this.run(undefined, code, ...values);
  }

  getStore() {
    const frame = /** @type {Frame | undefined} */ (asyncContext.current());
    return frame?.has(this) ? frame.get(this) : this.#default;
  }

  /** For the rest of the running work. @param {any} store */
  enterWith(store) {
    asyncContext.enter(this.#frameWith(store));
  }

  disable() {
    if (asyncContext.current() === undefined) return;
    const frame = new Map(/** @type {Frame} */ (asyncContext.current()));
    frame.delete(this);
    asyncContext.enter(frame);
  }

  /** A function that runs `code` in the context of now. @param {Function} code */
  static bind(code) {
    return AsyncResource.bind(code);
  }

  /** A function that runs what it is given in the context of now. */
  static snapshot() {
    const frame = /** @type {Frame | undefined} */ (asyncContext.current());
    return (/** @type {Function} */ code, /** @type {any[]} */ ...values) => runIn(frame, () => code(...values));
  }
}

let lastAsyncId = 1;

export class AsyncResource {
  #frame = /** @type {Frame | undefined} */ (asyncContext.current());
  #id = ++lastAsyncId;

  /** @param {string} type @param {any} [_options] */
  constructor(type, _options = undefined) {
    if (typeof type !== "string") throw invalidArgType("type", "of type string", type);
    this.type = type;
  }

  /** @param {Function} code @param {any} [self] @param {any[]} values */
  runInAsyncScope(code, self, ...values) {
    return runIn(this.#frame, () => Reflect.apply(code, self, values));
  }

  /** @param {Function} code @param {any} [self] */
  bind(code, self) {
    requireFunction(code, "fn");
    const resource = this;
    /** @this {any} @param {any[]} values */
    function bound(...values) {
      return resource.runInAsyncScope(code, self ?? this, ...values);
    }
    return Object.defineProperty(bound, "length", { value: code.length, configurable: true });
  }

  /** @param {Function} code @param {string} [type] @param {any} [self] */
  static bind(code, type, self) {
    return new AsyncResource(type ?? (code.name || "bound-anonymous-fn")).bind(code, self);
  }

  asyncId() {
    return this.#id;
  }

  triggerAsyncId() {
    return 0;
  }

  emitDestroy() {
    return this;
  }
}

/** Hooks see nothing: Workers do not report the life of asynchronous resources. */
export function createHook() {
  const hook = { enable: () => hook, disable: () => hook };
  return hook;
}
export const executionAsyncId = () => 0;
export const triggerAsyncId = () => 0;
export const executionAsyncResource = () => ({});
export const asyncWrapProviders = Object.freeze({ __proto__: null });

export default {
  AsyncLocalStorage, AsyncResource, asyncWrapProviders, createHook, executionAsyncId, executionAsyncResource, triggerAsyncId,
};
