/** The Cache API as Workers have it (https://developers.cloudflare.com/workers/runtime-apis/cache/). */
import host from "./host_object.js";
import { listGet } from "./headers.js";
import { current, onComplete, requireInvocation } from "./invocation.js";
import { TypeError, newPromise, promiseReject, promiseResolve, stringIndexOf, stringSlice } from "./primordials.js";
import { pump } from "./pump.js";
import { stateOf } from "./readable_stream.js";
import { Request, isRequest, requestState } from "./request.js";
import { fetchedResponse, isResponse, responseState } from "./response.js";
import { INTERNAL, defineInterface, illegalConstructor, requireArguments, toDictionary, toDOMString } from "./webidl.js";

/** @param {any} input a request or a URL  */
function toRequest(input) {
  return requestState(isRequest(input) ? input : new Request(input));
}

/** What a request is kept under. @param {string} url */
function keyOf(url) {
  const at = stringIndexOf(url, "#");
  return at < 0 ? url : stringSlice(url, 0, at);
}

/** @param {() => Promise<any>} work */
function promiseOfIo(work) {
  try {
    requireInvocation();
    return work();
  } catch (error) {
    return promiseReject(error);
  }
}

export class Cache {
  /** @type {string | undefined} */
  #name;

  /** @param {any} key @param {string | undefined} name */
  constructor(key = undefined, name = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#name = name;
  }

  /** @param {any} request @param {any} response */
  put(request, response) {
    return promiseOfIo(() => {
      const name = this.#name;
      requireArguments(arguments.length, 2, "Cache.put");
      const { url, method } = toRequest(request);
      if (!isResponse(response)) throw new TypeError("Cache.put: the second argument is not a Response.");
      if (method !== "GET") throw new TypeError("Cannot cache response to non-GET request.");
      const { status, list, body } = responseState(response);
      if (status === 206) throw new TypeError("Cannot cache response to a range request (206 Partial Content).");
      if (status === 304) throw new TypeError("Cannot cache a response with the status 304.");
      const vary = listGet(list, "vary");
      if (vary !== null && stringIndexOf(vary, "*") >= 0) throw new TypeError("Cannot cache response with 'Vary: *' header.");
      const error = body?.unusable;
      if (error !== undefined) throw error;
      const { promise, resolve, reject } = newPromise();
      const start = (/** @type {any} */ outgoing) => {
        const started = host.cachePut(current, name, keyOf(url), status, list, outgoing);
        onComplete(started[0], () => resolve(undefined), reject);
        return started[1];
      };
      if (body === null) {
        start(undefined);
      } else if (body.source !== undefined) {
        const { source } = body;
        body.markUsed();
        start(source);
      } else {
        const native = body.takeNative();
        if (native !== 0) start(native);
        else pump(stateOf(body.stream), start(true), (failure) => failure !== undefined && reject(failure.reason));
      }
      return promise;
    });
  }

  /** @param {any} request @param {any} [options] */
  match(request, options = undefined) {
    return promiseOfIo(() => {
      const name = this.#name;
      requireArguments(arguments.length, 1, "Cache.match");
      const { url, method, list } = toRequest(request);
      const { promise, resolve, reject } = newPromise();
      if (method !== "GET" && !toDictionary(options, "Cache.match: the options").ignoreMethod) {
        resolve(undefined);
        return promise;
      }
      onComplete(
        host.cacheMatch(current, name, keyOf(url), list),
        (found) => resolve(found === undefined ? undefined : fetchedResponse(found[0], found[1], found[2], found[3], url, false)),
        reject,
      );
      return promise;
    });
  }

  /** @param {any} request @param {any} [options] */
  delete(request, options = undefined) {
    return promiseOfIo(() => {
      const name = this.#name;
      requireArguments(arguments.length, 1, "Cache.delete");
      const { url, method } = toRequest(request);
      const { promise, resolve, reject } = newPromise();
      if (method !== "GET" && !toDictionary(options, "Cache.delete: the options").ignoreMethod) resolve(false);
      else onComplete(host.cacheDelete(current, name, keyOf(url)), resolve, reject);
      return promise;
    });
  }
}
defineInterface(Cache);

/** `caches`. */
export class CacheStorage {
  #default = new Cache(INTERNAL, undefined);

  /** @param {any} key */
  constructor(key = undefined) {
    if (key !== INTERNAL) illegalConstructor();
  }

  get default() {
    return this.#default;
  }

  /** @param {any} name */
  open(name) {
    try {
      void this.#default;
      requireArguments(arguments.length, 1, "CacheStorage.open");
      return promiseResolve(new Cache(INTERNAL, toDOMString(name)));
    } catch (error) {
      return promiseReject(error);
    }
  }
}
defineInterface(CacheStorage);

export const caches = new CacheStorage(INTERNAL);
