/** Timers (https://html.spec.whatwg.org/#timers) and `scheduler.wait`. */
import { abortReason, isAborted, isAbortSignal, onAbort, removeOnAbort } from "./abort.js";
import host from "./host_object.js";
import { cancelOperation, onComplete, promiseOf, reportException, requireInvocation } from "./invocation.js";
import { Map, TypeError, apply, mapDelete, mapGet, mapSet, newPromise, promiseReject } from "./primordials.js";
import { INTERNAL, defineInterface, illegalConstructor, requireArguments, toDictionary, toLong } from "./webidl.js";

/** Timers that have not fired, by the number that scripts know. @type {Map<number, Operation>} */
const timers = new Map();
let lastId = 0;

/**
 * @param {any} callback
 * @param {any} delay
 * @param {any[]} values
 * @param {boolean} repeat
 * @param {string} where
 */
function startTimer(callback, delay, values, repeat, where) {
  if (typeof callback !== "function") throw new TypeError(`${where}: the callback is not a function.`);
  let milliseconds = toLong(delay);
  if (milliseconds < 0) milliseconds = 0;
  requireInvocation();
  lastId += 1;
  const id = lastId;
  const arm = () => {
    const operation = host.timer(milliseconds);
    mapSet(timers, id, operation);
    onComplete(operation, fire, () => mapDelete(timers, id));
  };
  const fire = () => {
    if (!repeat) mapDelete(timers, id);
    try {
      apply(callback, globalThis, values);
    } catch (error) {
      reportException(error);
    }
    // Unless the callback has cleared it.
    if (repeat && mapGet(timers, id) !== undefined) arm();
  };
  arm();
  return id;
}

/** @param {any} callback @param {any} [delay] @param {any[]} values */
export function setTimeout(callback, delay = 0, ...values) {
  requireArguments(arguments.length, 1, "setTimeout");
  return startTimer(callback, delay, values, false, "setTimeout");
}

/** @param {any} callback @param {any} [delay] @param {any[]} values */
export function setInterval(callback, delay = 0, ...values) {
  requireArguments(arguments.length, 1, "setInterval");
  return startTimer(callback, delay, values, true, "setInterval");
}

/** @param {any} id */
function clearTimer(id) {
  const number = toLong(id);
  const operation = mapGet(timers, number);
  if (operation === undefined) return;
  mapDelete(timers, number);
  cancelOperation(operation);
}

/** @param {any} [id] */
export function clearTimeout(id = undefined) {
  if (id !== undefined && id !== null) clearTimer(id);
}

/** @param {any} [id] */
export function clearInterval(id = undefined) {
  if (id !== undefined && id !== null) clearTimer(id);
}

/** `scheduler` (https://developers.cloudflare.com/workers/runtime-apis/scheduler/). */
export class Scheduler {
  /** @param {any} key */
  constructor(key = undefined) {
    if (key !== INTERNAL) illegalConstructor();
  }

  /** @param {number} delay in milliseconds @param {any} [options] */
  wait(delay, options = undefined) {
    try {
      requireArguments(arguments.length, 1, "Scheduler.wait");
      let milliseconds = toLong(delay);
      if (milliseconds < 0) milliseconds = 0;
      const { signal } = toDictionary(options, "Scheduler.wait: the options");
      if (signal === undefined) {
        requireInvocation();
        return promiseOf(host.timer(milliseconds));
      }
      if (!isAbortSignal(signal)) throw new TypeError("Scheduler.wait: the option 'signal' is not an AbortSignal.");
      if (isAborted(signal)) return promiseReject(abortReason(signal));
      requireInvocation();
      const { promise, resolve, reject } = newPromise();
      const operation = host.timer(milliseconds);
      const abort = () => {
        cancelOperation(operation);
        reject(abortReason(signal));
      };
      onAbort(signal, abort);
      onComplete(
        operation,
        () => {
          removeOnAbort(signal, abort);
          resolve(undefined);
        },
        reject,
      );
      return promise;
    } catch (error) {
      return promiseReject(error);
    }
  }
}
defineInterface(Scheduler);
export const scheduler = new Scheduler(INTERNAL);
