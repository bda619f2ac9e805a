/** Response (https://fetch.spec.whatwg.org/#response-class), with what Workers add. */
import { emptyBody, extractBody, extractedType, nativeBody } from "./body.js";
import { bodyArrayBuffer, bodyBlob, bodyBytes, bodyFormData, bodyJson, bodyText } from "./body_read.js";
import { fillList, listAppend, listGet, listHas, newHeaders } from "./headers.js";
import { RangeError, TypeError, arraySlice, jsonStringify, regexpExec } from "./primordials.js";
import {
  INTERNAL,
  defineInterface,
  isObject,
  requireArguments,
  toByteString,
  toDictionary,
  toEnum,
  toUSVString,
  toUnsignedShort,
  wrongThis,
} from "./webidl.js";
import { parseUrl } from "./url_record.js";
import { fetchedSocket, toWebSocket } from "./websocket.js";

/**
 * @typedef {import("./body.js").Body} Body
 * @typedef {import("./headers.js").Headers} Headers
 */

/** What the runtime reads of a Response. */
class ResponseState {
  status = 200;
  statusText = "";
  /** @type {FlatHeaders} */
  list = [];
  /** @type {Headers | undefined} */
  headers = undefined;
  immutable = false;
  /** @type {Body | null} */
  body = null;
  url = "";
  redirected = false;
  type = "default";
  /** @type {any} */
  cf = undefined;
  /** @type {import("./websocket.js").WebSocket | null} */
  webSocket = null;
  /** The body is compressed already, as its Content-Encoding says (`encodeBody: "manual"`). */
  encoded = false;
}

export function newResponseState() {
  return new ResponseState();
}

/** @type {(value: any) => value is Response} */
export let isResponse;
/** @type {(response: Response) => ResponseState} */
export let responseState;

const NOT_A_REASON = /[^\t\x20-\x7e\x80-\xff]/;

/** @param {number} status */
const isNullBodyStatus = (status) => status === 101 || status === 204 || status === 205 || status === 304;

export class Response {
  /** @type {ResponseState} */
  #state;

  /** @param {any} [body] @param {any} [init] */
  constructor(body = undefined, init = undefined) {
    if (body === INTERNAL) {
      this.#state = init;
      return;
    }
    const state = (this.#state = new ResponseState());
    if (init !== undefined) readResponseInit(state, init);
    if (body === undefined || body === null) return;
    if (state.webSocket !== null) throw new TypeError("Response with a WebSocket cannot have a body.");
    if (isNullBodyStatus(state.status)) {
      throw new TypeError(`Response with null body status (101, 204, 205, or 304) cannot have a body.`);
    }
    state.body = extractBody(body);
    const type = extractedType;
    if (type !== null && (init === undefined || !listHas(state.list, "content-type"))) listAppend(state.list, "content-type", type);
  }

  static error() {
    const state = new ResponseState();
    state.type = "error";
    state.status = 0;
    state.immutable = true;
    return new Response(INTERNAL, state);
  }

  /** @param {any} data @param {any} [init] */
  static json(data, init = undefined) {
    requireArguments(arguments.length, 1, "Response.json");
    const text = jsonStringify(data);
    if (text === undefined) throw new TypeError("Response.json: the value cannot be serialized to JSON.");
    const response = new Response(text, init);
    const { list } = response.#state;
    // What was set for a text, in the last place, is not what the caller gave.
    const last = list.length - 2;
    if (list[last] === "content-type" && list[last + 1] === "text/plain;charset=UTF-8" && !givesContentType(init)) {
      list[last + 1] = "application/json";
    }
    return response;
  }

  /** @param {any} url @param {any} [status] */
  static redirect(url, status = 302) {
    requireArguments(arguments.length, 1, "Response.redirect");
    const record = parseUrl(toUSVString(url));
    if (record === undefined) throw new TypeError(`Unable to parse URL: ${url}`);
    const code = toUnsignedShort(status);
    if (code !== 301 && code !== 302 && code !== 303 && code !== 307 && code !== 308) {
      throw new RangeError(`${code} is not a redirect status code.`);
    }
    const state = new ResponseState();
    state.status = code;
    state.list = ["location", record[0]];
    state.immutable = true;
    return new Response(INTERNAL, state);
  }

  get type() {
    return this.#state.type;
  }

  get url() {
    return this.#state.url;
  }

  get redirected() {
    return this.#state.redirected;
  }

  get status() {
    return this.#state.status;
  }

  get ok() {
    const { status } = this.#state;
    return status >= 200 && status <= 299;
  }

  get statusText() {
    return this.#state.statusText;
  }

  get headers() {
    const state = this.#state;
    return (state.headers ??= newHeaders(state.list, state.immutable));
  }

  get cf() {
    return this.#state.cf;
  }

  get webSocket() {
    return this.#state.webSocket;
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
    if (state.webSocket !== null) throw new TypeError("Cannot clone a response to a WebSocket handshake.");
    const { body } = state;
    if (body !== null) {
      const error = body.unusable;
      if (error !== undefined) throw error;
    }
    const copy = new ResponseState();
    copy.status = state.status;
    copy.statusText = state.statusText;
    copy.list = arraySlice(state.list);
    copy.immutable = state.immutable;
    copy.url = state.url;
    copy.redirected = state.redirected;
    copy.type = state.type;
    copy.cf = state.cf;
    copy.encoded = state.encoded;
    copy.body = body === null ? null : body.clone();
    return new Response(INTERNAL, copy);
  }

  arrayBuffer() {
    return isResponse(this) ? bodyArrayBuffer(this.#state.body) : wrongThis();
  }

  blob() {
    return isResponse(this) ? bodyBlob(this.#state.body, listGet(this.#state.list, "content-type")) : wrongThis();
  }

  bytes() {
    return isResponse(this) ? bodyBytes(this.#state.body) : wrongThis();
  }

  formData() {
    return isResponse(this) ? bodyFormData(this.#state.body, listGet(this.#state.list, "content-type")) : wrongThis();
  }

  json() {
    return isResponse(this) ? bodyJson(this.#state.body) : wrongThis();
  }

  text() {
    return isResponse(this) ? bodyText(this.#state.body) : wrongThis();
  }

  static {
    isResponse = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #state in value);
    responseState = (response) => response.#state;
  }
}
defineInterface(Response);

/** @param {any} init */
function givesContentType(init) {
  if (init === undefined || init === null) return false;
  /** @type {FlatHeaders} */
  const list = [];
  const { headers } = init;
  if (headers !== undefined) fillList(list, headers);
  return listHas(list, "content-type");
}

/** @param {ResponseState} state @param {any} init a ResponseInit */
function readResponseInit(state, init) {
  const dictionary = toDictionary(init, "Response constructor: the init");
  const { cf, encodeBody, headers, status, statusText, webSocket } = dictionary;
  state.webSocket = toWebSocket(webSocket);
  if (cf !== undefined) state.cf = cf;
  if (encodeBody !== undefined) {
    state.encoded = toEnum(encodeBody, ["automatic", "manual"], "Response constructor: the option 'encodeBody'") === "manual";
  }
  if (status !== undefined) {
    const code = toUnsignedShort(status);
    if (state.webSocket !== null && code !== 101) {
      throw new RangeError("Responses with a WebSocket must have status code 101.");
    }
    if ((code < 200 || code > 599) && state.webSocket === null) {
      throw new RangeError("Responses may only be constructed with status codes in the range 200 to 599, inclusive.");
    }
    state.status = code;
  }
  if (statusText !== undefined) {
    const text = toByteString(statusText, "Response constructor: statusText");
    if (regexpExec(NOT_A_REASON, text) !== null) throw new TypeError("Response constructor: statusText is not a valid reason phrase.");
    state.statusText = text;
  }
  if (headers === undefined) return;
  fillList(state.list, headers);
}

/** The response of a fetch that became a WebSocket. @param {Response} response @param {WebSocketId} socket */
export function attachSocket(response, socket) {
  const state = responseState(response);
  state.webSocket = fetchedSocket(socket, listGet(state.list, "sec-websocket-protocol"));
}

/**
 * The response of a fetch.
 * @param {number} status
 * @param {string} statusText
 * @param {FlatHeaders} list
 * @param {BodyId} bodyId
 * @param {string} url
 * @param {boolean} redirected
 * @param {boolean} [head] whether it answers HEAD, so that there is no body
 */
export function fetchedResponse(status, statusText, list, bodyId, url, redirected, head = false) {
  const state = new ResponseState();
  state.status = status;
  state.statusText = statusText;
  state.list = list;
  state.immutable = true;
  // There is no origin, of which a response could be another one's.
  state.type = "basic";
  const body = bodyId === 0 ? null : nativeBody(bodyId);
  if (isNullBodyStatus(status)) body?.cancel(undefined);
  else if (body !== null || !head) state.body = body ?? emptyBody();
  state.url = url;
  state.redirected = redirected;
  return new Response(INTERNAL, state);
}
