/** `node:events` (https://nodejs.org/api/events.html): the emitter of the `events` package, and what Node.js has added since. */
import EventEmitter from "events/events.js";
import { AsyncResource } from "./async_hooks.js";
import { coded, invalidArgType, requireFunction } from "./errors.js";
import { aborted, abortError } from "./internal_abort.js";

export const errorMonitor = Symbol("events.errorMonitor");
export const captureRejectionSymbol = Symbol.for("nodejs.rejection");
export const captureRejections = false;
export const usingDomains = false;
export const defaultMaxListeners = 10;
const CAPTURE = Symbol("captureRejections");

const { emit, on: addListener, init } = /** @type {any} */ ({ ...EventEmitter.prototype, init: EventEmitter.init });

/** @this {any} @param {any} [options] */
EventEmitter.init = function (options) {
  init.call(this);
  if (options?.captureRejections) this[CAPTURE] = true;
};

/** @this {any} @param {PropertyKey} type @param {any[]} values */
EventEmitter.prototype.emit = function (type, ...values) {
  if (type === "error") {
    if (this._events?.[errorMonitor] !== undefined) emit.call(this, errorMonitor, ...values);
    if (this._events?.error === undefined) {
      const [error] = values;
      if (error instanceof Error) throw error;
      throw Object.assign(coded(Error, "ERR_UNHANDLED_ERROR", `Unhandled error. (${typeof error === "string" ? `'${error}'` : String(error)})`), { context: error });
    }
  }
  if (this[CAPTURE] !== true) return Reflect.apply(emit, this, [type, ...values]);
  const listeners = this.rawListeners(type);
  for (const listener of listeners) {
    const result = Reflect.apply(listener, this, values);
    if (typeof result?.then !== "function") continue;
    result.then(undefined, (/** @type {any} */ error) => {
      queueMicrotask(() => {
        if (typeof this[captureRejectionSymbol] === "function") this[captureRejectionSymbol](error, type, ...values);
        else this.emit("error", error);
      });
    });
  }
  return listeners.length > 0;
};

/** @this {any} @param {PropertyKey} type @param {Function} [listener] */
EventEmitter.prototype.listenerCount = function (type, listener) {
  const all = this.rawListeners(type);
  return listener === undefined ? all.length : all.filter((/** @type {any} */ one) => one === listener || one.listener === listener).length;
};

/** @param {any} emitter @param {PropertyKey} type @param {{signal?: AbortSignal}} [options] @returns {Promise<any[]>} */
export function once(emitter, type, options = {}) {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortError(signal));
      return;
    }
    /** @type {(() => void)[]} */
    const undo = [];
    const finish = (/** @type {() => void} */ settle) => {
      for (const step of undo) step();
      settle();
    };
    const listen = (/** @type {PropertyKey} */ name, /** @type {any} */ listener) => {
      if (typeof emitter.addEventListener === "function") {
        emitter.addEventListener(name, listener, { once: true });
        undo.push(() => emitter.removeEventListener(name, listener));
      } else {
        emitter.on(name, listener);
        undo.push(() => emitter.removeListener(name, listener));
      }
    };
    if (typeof emitter?.on !== "function" && typeof emitter?.addEventListener !== "function") {
      reject(invalidArgType("emitter", "an instance of EventEmitter or EventTarget", emitter));
      return;
    }
    listen(type, (/** @type {any[]} */ ...values) => finish(() => resolve(values)));
    if (type !== "error" && typeof emitter.on === "function") listen("error", (/** @type {any} */ error) => finish(() => reject(error)));
    if (signal !== undefined) undo.push(aborted(signal, () => finish(() => reject(abortError(signal)))));
  });
}

/** Events as they come. @param {any} emitter @param {PropertyKey} type @param {{signal?: AbortSignal, close?: PropertyKey[]}} [options] @returns {any} */
export function on(emitter, type, options = {}) {
  const { signal, close = [] } = options;
  if (signal?.aborted) throw abortError(signal);
  /** @type {any[]} */
  const waitingValues = [];
  /** @type {{resolve: (value: any) => void, reject: (reason: any) => void}[]} */
  const waitingReaders = [];
  let over = false;
  /** @type {any} */
  let failure;
  /** @type {(() => void)[]} */
  const undo = [];
  const end = () => {
    over = true;
    for (const step of undo.splice(0)) step();
    for (const reader of waitingReaders.splice(0)) reader.resolve({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  };
  const fail = (/** @type {any} */ error) => {
    const reader = waitingReaders.shift();
    if (reader === undefined) failure = { error };
    else reader.reject(error);
    end();
  };
  const listen = (/** @type {PropertyKey} */ name, /** @type {any} */ listener) => {
    if (typeof emitter.on === "function") {
      emitter.on(name, listener);
      undo.push(() => emitter.removeListener(name, listener));
    } else {
      emitter.addEventListener(name, listener);
      undo.push(() => emitter.removeEventListener(name, listener));
    }
  };
  listen(type, (/** @type {any[]} */ ...values) => {
    const reader = waitingReaders.shift();
    if (reader === undefined) waitingValues.push(values);
    else reader.resolve({ value: values, done: false });
  });
  if (type !== "error" && typeof emitter.on === "function") listen("error", fail);
  for (const name of close) listen(name, end);
  if (signal !== undefined) undo.push(aborted(signal, () => fail(abortError(signal))));
  return {
    next() {
      if (waitingValues.length > 0) return Promise.resolve({ value: waitingValues.shift(), done: false });
      if (failure !== undefined) {
        const { error } = failure;
        failure = undefined;
        return Promise.reject(error);
      }
      if (over) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waitingReaders.push({ resolve, reject }));
    },
    return: end,
    throw(/** @type {any} */ error) {
      fail(error);
      return Promise.resolve({ value: undefined, done: true });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** @param {any} target @param {PropertyKey} type */
export const getEventListeners = (target, type) => (typeof target.listeners === "function" ? target.listeners(type) : []);
/** @param {any} emitter @param {PropertyKey} type */
export const listenerCount = (emitter, type) => emitter.listenerCount(type);
/** @param {number} count @param {any[]} targets */
export function setMaxListeners(count = defaultMaxListeners, ...targets) {
  if (targets.length === 0) EventEmitter.defaultMaxListeners = count;
  for (const target of targets) target.setMaxListeners?.(count);
}
/** @param {any} target */
export const getMaxListeners = (target) => target.getMaxListeners?.() ?? defaultMaxListeners;

/** Calls the listener when the signal aborts, whatever other listeners do. @param {AbortSignal} signal @param {() => void} listener */
export function addAbortListener(signal, listener) {
  requireFunction(listener, "listener");
  const stop = aborted(signal, listener);
  return { [/** @type {any} */ (Symbol).dispose ?? Symbol.for("Symbol.dispose")]: stop };
}

/** An emitter whose listeners run in the asynchronous context it was made in. */
export class EventEmitterAsyncResource extends EventEmitter {
  #resource;
  /** @param {{name?: string}} [options] */
  constructor(options = {}) {
    super(options);
    this.#resource = new AsyncResource(options.name ?? new.target.name);
  }

  /** @param {PropertyKey} type @param {any[]} values @returns {any} */
  emit(type, ...values) {
    return this.#resource.runInAsyncScope(super.emit, this, type, ...values);
  }

  get asyncResource() {
    return this.#resource;
  }

  get asyncId() {
    return this.#resource.asyncId();
  }

  emitDestroy() {
    this.#resource.emitDestroy();
  }
}

EventEmitter.prototype.addListener = addListener;
Object.assign(EventEmitter, {
  EventEmitter, EventEmitterAsyncResource, addAbortListener, captureRejectionSymbol, captureRejections, errorMonitor, getEventListeners,
  getMaxListeners, listenerCount, on, once, setMaxListeners, usingDomains,
});
export { EventEmitter };
export default EventEmitter;
