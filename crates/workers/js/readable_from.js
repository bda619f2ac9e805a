/** ReadableStream.from (https://streams.spec.whatwg.org/#rs-from). */
import { SymbolAsyncIterator, SymbolIterator, TypeError, apply, promiseReject, promiseResolve, promiseThen } from "./primordials.js";
import { ReadableState } from "./readable_core.js";
import { DefaultController } from "./readable_default.js";
import { isObject } from "./webidl.js";

/** @param {any} iterable */
export function stateOfIterable(iterable) {
  if (iterable === null || iterable === undefined) throw new TypeError("ReadableStream.from: the argument is not iterable.");
  let method = iterable[SymbolAsyncIterator];
  const isAsync = method !== undefined && method !== null;
  if (!isAsync) method = iterable[SymbolIterator];
  if (typeof method !== "function") throw new TypeError("ReadableStream.from: the argument is not iterable.");
  const iterator = apply(method, iterable, []);
  if (!isObject(iterator)) throw new TypeError("ReadableStream.from: the iterator is not an object.");
  const { next } = iterator;
  const state = new ReadableState();

  const pull = () => {
    let step;
    try {
      step = apply(next, iterator, []);
    } catch (error) {
      return promiseReject(error);
    }
    if (!isAsync) {
      // As an async-from-sync iterator: the value is awaited too.
      try {
        if (!isObject(step)) throw new TypeError("The iterator gave something that is not an object.");
        const done = !!step.done;
        step = promiseThen(promiseResolve(step.value), (value) => ({ done, value }));
      } catch (error) {
        return promiseReject(error);
      }
    }
    return promiseThen(promiseResolve(step), (result) => {
      if (!isObject(result)) throw new TypeError("The iterator gave something that is not an object.");
      if (result.done) state.controller.close();
      else state.controller.enqueue(result.value);
    });
  };
  const cancel = (/** @type {any} */ reason) => {
    let result;
    try {
      const method = iterator.return;
      if (method === undefined || method === null) return promiseResolve(undefined);
      if (typeof method !== "function") throw new TypeError("The iterator's return is not a function.");
      result = apply(method, iterator, [reason]);
      if (!isAsync) {
        if (!isObject(result)) throw new TypeError("The iterator's return gave something that is not an object.");
        result = promiseThen(promiseResolve(result.value), () => ({ done: true }));
      }
    } catch (error) {
      return promiseReject(error);
    }
    return promiseThen(promiseResolve(result), (value) => {
      if (!isObject(value)) throw new TypeError("The iterator's return gave something that is not an object.");
      return undefined;
    });
  };
  new DefaultController(state, { start: undefined, pull, cancel }, 0, undefined);
  return state;
}
