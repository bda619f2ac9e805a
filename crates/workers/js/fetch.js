/** fetch(): one hop is the host's, following redirects is here (https://fetch.spec.whatwg.org/#http-redirect-fetch). */
import { abortReason, isAborted, onAbort, removeOnAbort } from "./abort.js";
import { dataResponse, isDataUrl } from "./fetch_data.js";
import { listAppend, listDelete, listGet } from "./headers.js";
import host from "./host_object.js";
import { cancelOperation, current, onComplete, requireInvocation } from "./invocation.js";
import {
  TypeError,
  arraySlice,
  charCodeAt,
  defineProperty,
  isUint8Array,
  markHandled,
  newPromise,
  numberToString,
  promiseReject,
  promiseResolve,
  stringIndexOf,
  stringSlice,
  toUpperCase,
} from "./primordials.js";
import { pump } from "./pump.js";
import { cancelStream } from "./readable_core.js";
import { stateOf } from "./readable_stream.js";
import { Request, isRequest, requestState } from "./request.js";
import { attachSocket, fetchedResponse, responseState } from "./response.js";
import { deserialize } from "./serialized_value.js";
import { originOf, parseUrl, withoutFragment } from "./url_record.js";
import { isObject } from "./webidl.js";

const MOST_REDIRECTS = 20;

/**
 * @param {FetchTarget} binding where it goes
 * @param {any} input
 * @param {any} init
 * @returns {Promise<import("./response.js").Response>}
 */
export function fetchThrough(binding, input, init) {
  /** @type {Fetching} */
  let fetching;
  try {
    requireInvocation();
    const request = init === undefined && isRequest(input) ? input : new Request(input, init);
    const state = requestState(request);
    if (state.body !== null && state.body.unusable !== undefined) throw state.body.unusable;
    if (state.signal !== undefined && isAborted(state.signal)) {
      const reason = abortReason(state.signal);
      state.body?.cancel(reason);
      throw reason;
    }
    if (binding === undefined && isDataUrl(state.url)) return promiseResolve(dataResponse(state.url, state.method));
    if (!isHttp(state.url)) throw new TypeError(`Fetch API cannot load: ${state.url}`);
    fetching = new Fetching(binding, state);
    fetching.hop();
  } catch (error) {
    return promiseReject(error);
  }
  return fetching.promise;
}

/** @param {string} url serialized */
function isHttp(url) {
  return stringSlice(url, 0, 7) === "http://" || stringSlice(url, 0, 8) === "https://";
}

/** A fetch under way, through its redirects. */
class Fetching {
  /** @type {FetchTarget} */
  #binding;
  #method;
  #url;
  #list;
  #redirect;
  #body;
  #signal;
  #redirects = 0;
  #settle = newPromise();
  /** @type {Operation | undefined} */
  #operation;
  /** The request's body while it is written. @type {import("./readable_core.js").ReadableState | undefined} */
  #sending;
  /** @type {import("./body.js").Body | null} */
  #responseBody = null;
  /** What the stream of the request's body failed with. @type {{reason: any} | undefined} */
  #bodyFailure = undefined;

  /**
   * @param {FetchTarget} binding
   * @param {ReturnType<typeof requestState>} state
   */
  constructor(binding, state) {
    this.#binding = binding;
    this.#method = state.method;
    const hash = stringIndexOf(state.url, "#");
    this.#url = hash < 0 ? state.url : stringSlice(state.url, 0, hash);
    this.#list = state.list;
    this.#redirect = state.redirect;
    this.#body = state.body;
    this.#signal = state.signal;
    if (this.#signal !== undefined) onAbort(this.#signal, this.#abort);
  }

  get promise() {
    return this.#settle.promise;
  }

  #abort = () => {
    const reason = abortReason(/** @type {any} */ (this.#signal));
    if (this.#operation !== undefined) {
      cancelOperation(this.#operation);
      this.#operation = undefined;
    }
    if (this.#sending !== undefined) markHandled(cancelStream(this.#sending, reason));
    this.#responseBody?.abort(reason);
    this.#settle.reject(reason);
  };

  hop() {
    const body = this.#body;
    /** @type {OutgoingBody} */
    let outgoing;
    /** @type {import("./readable_core.js").ReadableState | undefined} */
    let stream;
    let list = this.#list;
    if (body !== null) {
      if (body.source !== undefined) {
        outgoing = body.source;
        body.markUsed();
      } else {
        const native = body.takeNative();
        outgoing = native === 0 ? true : native;
        if (native === 0) {
          stream = stateOf(body.stream);
          if (stream.fixedLength !== undefined && listGet(list, "content-length") === null) {
            list = arraySlice(list);
            listAppend(list, "content-length", `${stream.fixedLength}`);
          }
        }
      }
    }
    const started = host.fetch(current, this.#binding, this.#method, this.#url, list, outgoing);
    const operation = started[0];
    this.#operation = operation;
    onComplete(operation, this.#arrived, this.#failed);
    if (stream !== undefined) {
      this.#sending = stream;
      pump(stream, started[1], (failure) => {
        this.#sending = undefined;
        if (failure === undefined || this.#operation !== operation) return;
        if (this.#binding !== undefined) {
          // A private service's request fails as an attempt, with all its facts; what the stream failed with is the cause.
          this.#bodyFailure = failure;
          return;
        }
        // The body could not be sent: the request fails with what its stream failed with.
        cancelOperation(operation);
        this.#failed(failure.reason);
      });
    }
  }

  /** @param {[number, string, FlatHeaders, BodyId, WebSocketId] | Uint8Array} answer */
  #arrived = (answer) => {
    this.#operation = undefined;
    if (isUint8Array(answer)) {
      // Another Worker's handler threw.
      this.#failed(deserialize(answer, []));
      return;
    }
    const status = answer[0];
    const list = answer[2];
    const bodyId = answer[3];
    try {
      if (this.#redirect !== "manual" && isRedirect(status)) {
        const location = listGet(list, "location");
        if (this.#redirect === "error") {
          if (bodyId !== 0) host.bodyCancel(bodyId);
          throw new TypeError(`Unexpected redirect: the request's redirect mode is "error" and ${this.#url} answered ${status}.`);
        }
        if (location !== null) {
          if (bodyId !== 0) host.bodyCancel(bodyId);
          this.#follow(status, location);
          return;
        }
      }
    } catch (error) {
      this.#failed(error);
      return;
    }
    const response = fetchedResponse(status, answer[1], list, bodyId, this.#url, this.#redirects > 0, this.#method === "HEAD");
    if (answer[4] !== undefined && answer[4] !== 0) attachSocket(response, answer[4]);
    this.#responseBody = responseState(response).body;
    if (this.#responseBody === null && this.#signal !== undefined) removeOnAbort(this.#signal, this.#abort);
    this.#settle.resolve(response);
  };

  /** @param {any} error */
  #failed = (error) => {
    this.#operation = undefined;
    if (this.#signal !== undefined) removeOnAbort(this.#signal, this.#abort);
    if (this.#bodyFailure !== undefined && isObject(error)) {
      defineProperty(error, "cause", { value: this.#bodyFailure.reason, writable: true, enumerable: false, configurable: true });
    }
    this.#settle.reject(error);
  };

  /** @param {number} status @param {string} location */
  #follow(status, location) {
    const record = parseUrl(percentEncoded(location), this.#url);
    if (record === undefined) throw new TypeError(`The redirect from ${this.#url} has an invalid Location: ${location}`);
    const url = withoutFragment(record);
    if (!isHttp(url)) throw new TypeError(`The redirect from ${this.#url} goes to a URL that is not HTTP: ${url}`);
    this.#redirects += 1;
    if (this.#redirects > MOST_REDIRECTS) throw new TypeError("Too many redirects.");
    if (status !== 303 && this.#body !== null && this.#body.source === undefined) {
      throw new TypeError(
        "A request with a one-time-use body (it was initialized from a stream, not a buffer) encountered a redirect " +
          "requiring the body to be retransmitted. To avoid this error in the future, construct this request from a " +
          "buffer-like body initializer.",
      );
    }
    const list = arraySlice(this.#list);
    const dropsBody =
      ((status === 301 || status === 302) && this.#method === "POST") ||
      (status === 303 && this.#method !== "GET" && this.#method !== "HEAD");
    if (dropsBody) {
      this.#method = "GET";
      this.#body = null;
      listDelete(list, "content-encoding");
      listDelete(list, "content-language");
      listDelete(list, "content-location");
      listDelete(list, "content-type");
      listDelete(list, "content-length");
    }
    const before = parseUrl(this.#url);
    if (before === undefined || originOf(before) !== originOf(record)) {
      listDelete(list, "authorization");
      listDelete(list, "host");
    }
    this.#list = list;
    this.#url = url;
    this.hop();
  }
}

/** A Location, which is bytes, as a URL has them. @param {string} location */
function percentEncoded(location) {
  let text = "";
  for (let i = 0; i < location.length; i++) {
    const code = charCodeAt(location, i);
    text += code < 0x80 ? location[i] : `%${toUpperCase(numberToString(code, 16))}`;
  }
  return text;
}

/** @param {number} status */
function isRedirect(status) {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** @param {any} input @param {any} [init] */
export function fetch(input, init = undefined) {
  if (arguments.length === 0) return promiseReject(new TypeError("fetch: 1 argument required, but only 0 present."));
  return fetchThrough(undefined, input, init);
}
