/** Request (https://fetch.spec.whatwg.org/#request-class), with what Workers add and without what only browsers need. */
import { dependentSignal, isAbortSignal, newSignal } from "./abort.js";
import { extractBody, extractedType, nativeBody } from "./body.js";
import { bodyArrayBuffer, bodyBlob, bodyBytes, bodyFormData, bodyJson, bodyText } from "./body_read.js";
import { fillList, listAppend, listGet, listHas, newHeaders, NOT_A_TOKEN } from "./headers.js";
import { register } from "./invocation.js";
import { TypeError, arrayIndexOf, arraySlice, regexpExec, toUpperCase } from "./primordials.js";
import { toRequestUrl, hrefOf, isURL } from "./url.js";
import { parseUrl } from "./url_record.js";
import { INTERNAL, defineInterface, isObject, requireArguments, toByteString, toDOMString, toDictionary, toUSVString, wrongThis } from "./webidl.js";

/**
 * @typedef {import("./abort.js").AbortSignal} AbortSignal
 * @typedef {import("./body.js").Body} Body
 * @typedef {import("./headers.js").Headers} Headers
 */

/** What the runtime reads of a Request. */
class RequestState {
  method = "GET";
  /** Serialized, with its fragment. */
  url = "";
  /** @type {FlatHeaders} */
  list = [];
  /** @type {Headers | undefined} */
  headers = undefined;
  immutable = false;
  /** @type {Body | null} */
  body = null;
  redirect = "follow";
  /** @type {AbortSignal | undefined} */
  signal = undefined;
  /** The invocation whose visitor's request it is. @type {import("./invocation.js").Context | undefined} */
  context = undefined;
  /** @type {any} */
  cf = undefined;
  /** @type {any} */
  fetcher = null;
  integrity = "";
  keepalive = false;
  cache = "default";
  // What only browsers heed.
  credentials = "same-origin";
  mode = "cors";
  referrer = "about:client";
  referrerPolicy = "";
}

export function newRequestState() {
  return new RequestState();
}

/** @type {(value: any) => value is Request} */
export let isRequest;
/** @type {(request: Request) => RequestState} */
export let requestState;

/** @param {any} method */
function toMethod(method) {
  const text = toByteString(method, "The method");
  if (text === "" || regexpExec(NOT_A_TOKEN, text) !== null) throw new TypeError(`Invalid HTTP method string: ${text}`);
  const upper = toUpperCase(text);
  switch (upper) {
    case "CONNECT":
    case "TRACE":
    case "TRACK":
      throw new TypeError(`The method ${upper} is not allowed.`);
    case "DELETE":
    case "GET":
    case "HEAD":
    case "OPTIONS":
    case "POST":
    case "PUT":
      return upper;
    default:
      return text;
  }
}

export class Request {
  /** @type {RequestState} */
  #state;

  /** @param {any} input @param {any} [init] */
  constructor(input, init = undefined) {
    if (input === INTERNAL) {
      this.#state = init;
      return;
    }
    requireArguments(arguments.length, 1, "Request constructor");
    const state = (this.#state = new RequestState());
    /** @type {RequestState | undefined} */
    let other;
    if (isRequest(input)) {
      other = input.#state;
      state.method = other.method;
      state.url = other.url;
      state.list = arraySlice(other.list);
      state.redirect = other.redirect;
      state.cf = other.cf;
      state.fetcher = other.fetcher;
      state.integrity = other.integrity;
      state.keepalive = other.keepalive;
      state.cache = other.cache;
      copyHints(other, state);
    } else {
      state.url = isURL(input) ? toRequestUrl(hrefOf(input)) : toRequestUrl(toUSVString(input));
    }
    const dictionary = toDictionary(init, "Request constructor: the init");
    const given = init === undefined || init === null ? undefined : readRequestInit(state, dictionary);
    this.#follow(other, given?.signal);
    this.#takeBody(other, given?.body);
  }

  /** @param {RequestState | undefined} other @param {any} signal as the init gave it */
  #follow(other, signal) {
    const state = this.#state;
    if (signal === null) return;
    if (signal !== undefined) {
      if (!isAbortSignal(signal)) throw new TypeError("Request constructor: 'signal' is not an AbortSignal.");
      state.signal = dependentSignal([signal]);
    } else if (other?.signal !== undefined) {
      state.signal = dependentSignal([other.signal]);
    }
  }

  /** @param {RequestState | undefined} other @param {any} init the body that the init gave */
  #takeBody(other, init) {
    const state = this.#state;
    const inherited = other === undefined ? null : other.body;
    const given = init !== undefined && init !== null;
    if ((given || inherited !== null) && (state.method === "GET" || state.method === "HEAD")) {
      if (given || other?.method !== state.method) throw new TypeError("Request with a GET or HEAD method cannot have a body.");
    }
    if (given) {
      state.body = extractBody(init);
      if (extractedType !== null && !listHas(state.list, "content-type")) listAppend(state.list, "content-type", extractedType);
      return;
    }
    if (init === null || inherited === null) return;
    const error = inherited.unusable;
    if (error !== undefined) throw error;
    state.body = inherited.handOver();
  }

  get method() {
    return this.#state.method;
  }

  get url() {
    return this.#state.url;
  }

  get headers() {
    const state = this.#state;
    return (state.headers ??= newHeaders(state.list, state.immutable));
  }

  get redirect() {
    return this.#state.redirect;
  }

  get signal() {
    return signalOf(this.#state);
  }

  get cf() {
    return this.#state.cf;
  }

  get fetcher() {
    return this.#state.fetcher;
  }

  get integrity() {
    return this.#state.integrity;
  }

  get keepalive() {
    return this.#state.keepalive;
  }

  get cache() {
    return this.#state.cache;
  }

  get credentials() {
    return this.#state.credentials;
  }

  get destination() {
    void this.#state;
    return "";
  }

  get duplex() {
    void this.#state;
    return "half";
  }

  get isHistoryNavigation() {
    void this.#state;
    return false;
  }

  get isReloadNavigation() {
    void this.#state;
    return false;
  }

  get mode() {
    return this.#state.mode;
  }

  get referrer() {
    return this.#state.referrer;
  }

  get referrerPolicy() {
    return this.#state.referrerPolicy;
  }

  get body() {
    const { body } = this.#state;
    return body === null ? null : body.stream;
  }

  get bodyUsed() {
    const { body } = this.#state;
    return body !== null && body.used;
  }

  clone() {
    const state = this.#state;
    const { body } = state;
    if (body !== null) {
      const error = body.unusable;
      if (error !== undefined) throw error;
    }
    const copy = new RequestState();
    copy.method = state.method;
    copy.url = state.url;
    copy.list = arraySlice(state.list);
    copy.immutable = state.immutable;
    copy.redirect = state.redirect;
    copy.cf = state.cf;
    copy.fetcher = state.fetcher;
    copy.integrity = state.integrity;
    copy.keepalive = state.keepalive;
    copy.cache = state.cache;
    copyHints(state, copy);
    if (state.signal !== undefined) copy.signal = dependentSignal([state.signal]);
    copy.body = body === null ? null : body.clone();
    return new Request(INTERNAL, copy);
  }

  arrayBuffer() {
    return isRequest(this) ? bodyArrayBuffer(this.#state.body) : wrongThis();
  }

  blob() {
    return isRequest(this) ? bodyBlob(this.#state.body, listGet(this.#state.list, "content-type")) : wrongThis();
  }

  bytes() {
    return isRequest(this) ? bodyBytes(this.#state.body) : wrongThis();
  }

  formData() {
    return isRequest(this) ? bodyFormData(this.#state.body, listGet(this.#state.list, "content-type")) : wrongThis();
  }

  json() {
    return isRequest(this) ? bodyJson(this.#state.body) : wrongThis();
  }

  text() {
    return isRequest(this) ? bodyText(this.#state.body) : wrongThis();
  }

  static {
    isRequest = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #state in value);
    requestState = (request) => request.#state;
  }
}
defineInterface(Request);

/** @param {RequestState} from @param {RequestState} to */
function copyHints(from, to) {
  to.credentials = from.credentials;
  to.mode = from.mode;
  to.referrer = from.referrer;
  to.referrerPolicy = from.referrerPolicy;
}

const CREDENTIALS = ["omit", "same-origin", "include"];
const MODES = ["same-origin", "no-cors", "cors"];
const REFERRER_POLICIES = [
  "",
  "no-referrer",
  "no-referrer-when-downgrade",
  "same-origin",
  "origin",
  "strict-origin",
  "origin-when-cross-origin",
  "strict-origin-when-cross-origin",
  "unsafe-url",
];

/** What only browsers heed: kept for whoever asks, and as on Cloudflare no reason to refuse a request. @param {RequestState} state @param {any} dictionary */
function readHints(state, dictionary) {
  const { credentials, mode, referrer, referrerPolicy } = dictionary;
  if (arrayIndexOf(CREDENTIALS, credentials) >= 0) state.credentials = credentials;
  if (arrayIndexOf(MODES, mode) >= 0) state.mode = mode;
  if (arrayIndexOf(REFERRER_POLICIES, referrerPolicy) >= 0) state.referrerPolicy = referrerPolicy;
  if (referrer === undefined) return;
  const text = toUSVString(referrer);
  state.referrer = text === "" || text === "about:client" ? text : (parseUrl(text)?.[0] ?? state.referrer);
}

/** Its signal, made when first asked for; a visitor's request aborts when the visitor goes. @param {RequestState} state */
function signalOf(state) {
  if (state.signal === undefined) {
    state.signal = newSignal();
    if (state.context !== undefined) {
      state.context.signal = state.signal;
      register(state.context);
    }
  }
  return state.signal;
}

/**
 * Reads a RequestInit into the state; gives its body and signal.
 * @param {RequestState} state
 * @param {any} dictionary
 */
function readRequestInit(state, dictionary) {
  const { body, cache, cf, fetcher, headers, integrity, keepalive, method, redirect, signal } = dictionary;
  if (cache !== undefined && cache !== null) {
    state.cache = toDOMString(cache);
    if (state.cache !== "no-store" && state.cache !== "no-cache" && state.cache !== "default") {
      throw new TypeError(`Unsupported cache mode: ${state.cache}`);
    }
  }
  if (cf !== undefined && cf !== null) {
    if (!isObject(cf)) throw new TypeError("Request constructor: 'cf' is not an object.");
    state.cf = { ...cf };
  }
  readHints(state, dictionary);
  if (fetcher !== undefined) state.fetcher = fetcher;
  if (integrity !== undefined) state.integrity = toDOMString(integrity);
  if (keepalive !== undefined) state.keepalive = !!keepalive;
  if (redirect !== undefined && redirect !== null) {
    state.redirect = toDOMString(redirect);
    if (state.redirect !== "follow" && state.redirect !== "manual" && state.redirect !== "error") {
      throw new TypeError(`Invalid redirect value, must be one of "follow", "manual" or "error": ${state.redirect}`);
    }
  }
  if (method !== undefined) state.method = toMethod(method);
  if (headers !== undefined) {
    state.list = [];
    fillList(state.list, headers);
  }
  if (dictionary.duplex !== undefined && toDOMString(dictionary.duplex) !== "half") {
    throw new TypeError("Request constructor: 'duplex' must be 'half'.");
  }
  return { body, signal };
}

/**
 * The request of a visitor. Nothing is parsed; the list becomes the Headers' when someone asks for them.
 * @param {import("./invocation.js").Context} context
 * @param {string} method
 * @param {string} url
 * @param {FlatHeaders} list
 * @param {BodyId} bodyId
 */
export function incomingRequest(context, method, url, list, bodyId) {
  const state = new RequestState();
  state.method = method;
  state.url = url;
  state.list = list;
  state.immutable = true;
  state.redirect = "manual";
  state.context = context;
  if (bodyId !== 0) state.body = nativeBody(bodyId);
  return new Request(INTERNAL, state);
}
