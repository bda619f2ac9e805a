/** `node:timers` (https://nodejs.org/api/timers.html). The timers of Workers, as objects. */
import { requireFunction } from "./errors.js";
import promises from "./timers_promises.js";

const PROMISIFY = Symbol.for("nodejs.util.promisify.custom");
const web = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, setInterval: globalThis.setInterval, clearInterval: globalThis.clearInterval };

/** What `setTimeout` and `setInterval` give. */
export class Timeout {
  #start;
  #id;
  /** @param {() => number} start */
  constructor(start) {
    this.#start = start;
    this.#id = start();
  }

  /** An invocation waits for its timers either way. */
  ref() {
    return this;
  }

  unref() {
    return this;
  }

  hasRef() {
    return true;
  }

  refresh() {
    this.close();
    this.#id = this.#start();
    return this;
  }

  close() {
    web.clearTimeout(this.#id);
    return this;
  }

  [Symbol.toPrimitive]() {
    return this.#id;
  }

  [/** @type {any} */ (Symbol).dispose ?? Symbol.for("Symbol.dispose")]() {
    this.close();
  }
}

/** @param {any} code @param {number} [delay] @param {any[]} values */
export function setTimeout(code, delay, ...values) {
  requireFunction(code, "callback");
  return new Timeout(() => web.setTimeout(code, delay, ...values));
}
/** @param {any} code @param {number} [delay] @param {any[]} values */
export function setInterval(code, delay, ...values) {
  requireFunction(code, "callback");
  return new Timeout(() => web.setInterval(code, delay, ...values));
}
/** @param {any} code @param {any[]} values */
export function setImmediate(code, ...values) {
  requireFunction(code, "callback");
  return new Timeout(() => web.setTimeout(code, 0, ...values));
}
/** @param {any} timer */
export function clearTimeout(timer) {
  if (timer instanceof Timeout) timer.close();
  else web.clearTimeout(timer);
}
export const clearInterval = clearTimeout;
export const clearImmediate = clearTimeout;

Object.defineProperty(setTimeout, PROMISIFY, { get: () => promises.setTimeout });
Object.defineProperty(setImmediate, PROMISIFY, { get: () => promises.setImmediate });

/** @param {any} timer */
export const active = (timer) => timer?.refresh?.();
export { promises };
export default { active, clearImmediate, clearInterval, clearTimeout, promises, setImmediate, setInterval, setTimeout };
