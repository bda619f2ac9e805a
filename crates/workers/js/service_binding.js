/** Bindings to other Workers: `fetch()`, and methods by RPC (https://developers.cloudflare.com/workers/runtime-apis/rpc/). */
import { Fetcher } from "./fetcher.js";
import host from "./host_object.js";
import { current, onComplete, requireInvocation } from "./invocation.js";
import { Proxy, arraySlice, isUint8Array, newPromise, promiseReject, promiseThen, reflectGet } from "./primordials.js";
import { deserialize, serialize } from "./serialized_value.js";
import { INTERNAL } from "./webidl.js";

/**
 * @param {FetchTarget} target
 * @param {string[]} path
 * @param {any[] | undefined} given the arguments; undefined to read the property
 * @returns {Promise<any>}
 */
function callThrough(target, path, given) {
  try {
    requireInvocation();
    const message = given === undefined ? undefined : serialize(given);
    const started = host.call(current, target, path, message?.bytes, message === undefined ? [] : message.streams);
    const { promise, resolve, reject } = newPromise();
    onComplete(
      started[0],
      (answer) => {
        try {
          if (isUint8Array(answer)) reject(deserialize(answer, []));
          else resolve(deserialize(answer[0], answer[1]));
        } catch (error) {
          reject(error);
        }
      },
      reject,
    );
    message?.write(started[1], () => {});
    return promise;
  } catch (error) {
    return promiseReject(error);
  }
}

/**
 * A method or property of another Worker: called, awaited, or a step to what is in it.
 * @param {FetchTarget} target
 * @param {string[]} path
 * @returns {any}
 */
function remoteProperty(target, path) {
  /** @param {any[]} given */
  const method = (...given) => callThrough(target, path, given);
  return new Proxy(method, {
    get(_, name) {
      if (typeof name === "symbol") return undefined;
      if (name === "then") {
        return (/** @type {any} */ fulfilled, /** @type {any} */ rejected) => promiseThen(callThrough(target, path, undefined), fulfilled, rejected);
      }
      const longer = arraySlice(path);
      longer[longer.length] = name;
      return remoteProperty(target, longer);
    },
  });
}

/**
 * A `Fetcher` whose other properties are those of an entrypoint.
 * @param {FetchTarget} target
 * @returns {any}
 */
export function serviceBinding(target) {
  const fetcher = new Fetcher(INTERNAL, target);
  const fetch = (/** @type {any[]} */ ...given) => (given.length === 0 ? fetcher.fetch() : fetcher.fetch(given[0], given[1]));
  return new Proxy(fetcher, {
    get(self, name) {
      if (name === "fetch") return fetch;
      // Nothing that is awaited by accident calls the other Worker, and what all objects have is not asked of it.
      if (typeof name === "symbol" || name === "then" || name === "constructor" || name === "toJSON") return name === "then" ? undefined : reflectGet(self, name, self);
      return remoteProperty(target, [name]);
    },
  });
}
