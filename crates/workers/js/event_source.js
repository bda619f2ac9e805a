/** EventSource (https://html.spec.whatwg.org/multipage/server-sent-events.html), with Cloudflare's `EventSource.from(stream)`. */
import { AbortController } from "./abort.js";
import { utf8Encode } from "./bytes.js";
import { DOMException } from "./dom_exception.js";
import { Event, EventTarget, Handler, fireEvent } from "./events.js";
import { ErrorEvent, MessageEvent } from "./message_events.js";
import { fetch } from "./fetch.js";
import host from "./host_object.js";
import { onComplete, requireInvocation } from "./invocation.js";
import { parseMediaType } from "./mime_type.js";
import {
  TypeError,
  apply,
  charCodeAt,
  fromCharCode,
  isUint8Array,
  mapGet,
  mapSet,
  Map,
  promiseResolve,
  promiseThen,
  regexpExec,
  stringIndexOf,
  stringSlice,
} from "./primordials.js";
import { acquireReader, cancelStream, readFrom } from "./readable_core.js";
import { isReadableStream, stateOf } from "./readable_stream.js";
import { TextDecoder } from "./encoding.js";
import { URL } from "./url.js";
import { INTERNAL, defineInterface, requireArguments, toDictionary, toUSVString } from "./webidl.js";

const SOURCE_CONNECTING = 0;
const SOURCE_OPEN = 1;
const SOURCE_CLOSED = 2;
/** Milliseconds before it connects again, until the stream says otherwise. */
const RETRY = 2000;
/** The longest line or event that is waited for, in characters. */
const LONGEST = 8 * 1024 * 1024;

const decodeText = TextDecoder.prototype.decode;

/** Reads the lines of an event stream; knows nothing of connections. */
class EventStreamParser {
  #rest = "";
  #afterReturn = false;
  #data = "";
  #hasData = false;
  #type = "";
  #id;
  /** What the next connection is to say. */
  lastEventId;
  /** @type {number | undefined} */
  retry = undefined;
  /** @type {(type: string, data: string, id: string) => void} */
  #dispatch;

  /** @param {string} lastEventId of the connection before @param {(type: string, data: string, id: string) => void} dispatch */
  constructor(lastEventId, dispatch) {
    this.#id = this.lastEventId = lastEventId;
    this.#dispatch = dispatch;
  }

  /** @param {string} text */
  push(text) {
    const all = this.#rest + text;
    let start = 0;
    for (let i = this.#rest.length; i < all.length; i++) {
      const code = charCodeAt(all, i);
      if (code === 10 && this.#afterReturn) {
        this.#afterReturn = false;
        start = i + 1;
        continue;
      }
      this.#afterReturn = code === 13;
      if (code !== 10 && code !== 13) continue;
      this.#line(stringSlice(all, start, i));
      start = i + 1;
    }
    this.#rest = stringSlice(all, start);
    if (this.#rest.length + this.#data.length > LONGEST) throw new TypeError("An event of the event stream is too long.");
  }

  /** @param {string} line */
  #line(line) {
    if (line === "") return this.#event();
    const colon = stringIndexOf(line, ":");
    if (colon === 0) return;
    const field = colon < 0 ? line : stringSlice(line, 0, colon);
    let value = colon < 0 ? "" : stringSlice(line, colon + 1);
    if (value !== "" && value[0] === " ") value = stringSlice(value, 1);
    if (field === "data") {
      this.#data += `${value}\n`;
      this.#hasData = true;
    } else if (field === "event") {
      this.#type = value;
    } else if (field === "id") {
      if (stringIndexOf(value, "\0") < 0) this.#id = value;
    } else if (field === "retry" && regexpExec(/^[0-9]+$/, value) !== null) {
      this.retry = +value;
    }
  }

  #event() {
    this.lastEventId = this.#id;
    const type = this.#type === "" ? "message" : this.#type;
    const data = stringSlice(this.#data, 0, this.#data.length - 1);
    const { lastEventId } = this;
    const complete = this.#hasData;
    this.#data = this.#type = "";
    this.#hasData = false;
    if (complete) this.#dispatch(type, data, lastEventId);
  }
}

/** The characters that the bytes of a text in UTF-8 are. @param {string} text */
function byteString(text) {
  const bytes = utf8Encode(text);
  let result = "";
  for (let i = 0; i < bytes.length; i++) result += fromCharCode(/** @type {number} */ (bytes[i]));
  return result;
}

export class EventSource extends EventTarget {
  #url = "";
  #readyState = SOURCE_CONNECTING;
  #withCredentials = false;
  #controller = new AbortController();
  /** @type {any} the binding that carries the request out, when one was given */
  #fetcher;
  #lastEventId = "";
  #retry = RETRY;
  /** @type {Map<string, Handler<EventSource>>} */
  #handlers = new Map();

  /** @param {any} url @param {any} [init] */
  constructor(url, init = undefined) {
    super();
    if (url === INTERNAL) {
      this.#read(init, undefined);
      return;
    }
    requireArguments(arguments.length, 1, "EventSource constructor");
    try {
      this.#url = new URL(toUSVString(url)).href;
    } catch {
      throw new DOMException("EventSource constructor: the URL is not valid.", "SyntaxError");
    }
    const { withCredentials, fetcher } = toDictionary(init, "EventSource constructor: the options");
    this.#withCredentials = !!withCredentials;
    this.#fetcher = fetcher;
    requireInvocation();
    this.#connect();
  }

  /** A source of the events in a stream, which does not connect again. @param {any} stream */
  static from(stream) {
    requireArguments(arguments.length, 1, "EventSource.from");
    if (!isReadableStream(stream)) throw new TypeError("EventSource.from: the argument is not a ReadableStream.");
    return new EventSource(INTERNAL, stream);
  }

  #connect() {
    /** @type {any} */
    const headers = { accept: "text/event-stream", "cache-control": "no-cache" };
    if (this.#lastEventId !== "") headers["last-event-id"] = byteString(this.#lastEventId);
    const init = { headers, signal: this.#controller.signal };
    const answer = this.#fetcher === undefined ? fetch(this.#url, init) : this.#fetcher.fetch(this.#url, init);
    promiseThen(
      answer,
      (/** @type {any} */ response) => {
        if (this.#readyState === SOURCE_CLOSED) return;
        const type = parseMediaType(response.headers.get("content-type") ?? "")?.essence;
        if (response.status !== 200 || type !== "text/event-stream") {
          response.body?.cancel();
          return this.#fail(`The answer to EventSource has the status ${response.status} and the type ${type ?? "none"}.`);
        }
        if (response.body === null) return this.#reconnect();
        this.#read(response.body, () => this.#reconnect());
      },
      () => this.#reconnect(),
    );
  }

  /** @param {any} stream @param {(() => void) | undefined} ended */
  #read(stream, ended) {
    this.#readyState = SOURCE_OPEN;
    promiseThen(promiseResolve(undefined), () => this.#readyState === SOURCE_OPEN && fireEvent(this, new Event("open")));
    const parser = new EventStreamParser(this.#lastEventId, (type, data, lastEventId) => {
      if (this.#readyState !== SOURCE_CLOSED) fireEvent(this, new MessageEvent(type, { data, lastEventId, origin: this.#origin }));
    });
    const decoder = new TextDecoder();
    const state = stateOf(stream);
    const reader = acquireReader(state, false);
    const over = () => {
      if (this.#readyState === SOURCE_CLOSED) return;
      this.#lastEventId = parser.lastEventId;
      this.#retry = parser.retry ?? this.#retry;
      if (ended === undefined) this.close();
      else ended();
    };
    const next = () => {
      if (this.#readyState === SOURCE_CLOSED) promiseThen(cancelStream(state, undefined), undefined, () => {});
      else readFrom(reader, request);
    };
    const request = {
      chunk: (/** @type {any} */ chunk) => {
        try {
          parser.push(isUint8Array(chunk) ? apply(decodeText, decoder, [chunk, { stream: true }]) : toUSVString(chunk));
        } catch (error) {
          promiseThen(cancelStream(state, error), undefined, () => {});
          return this.#fail(error);
        }
        promiseThen(promiseResolve(undefined), next);
      },
      close: over,
      error: over,
    };
    next();
  }

  get #origin() {
    return this.#url === "" ? "" : new URL(this.#url).origin;
  }

  #reconnect() {
    if (this.#readyState === SOURCE_CLOSED) return;
    this.#readyState = SOURCE_CONNECTING;
    fireEvent(this, new ErrorEvent("error", { message: "The connection of EventSource was lost; it connects again." }));
    if (this.#readyState !== SOURCE_CONNECTING) return;
    onComplete(host.timer(this.#retry), () => this.#readyState === SOURCE_CONNECTING && this.#connect(), () => {});
  }

  /** @param {any} reason */
  #fail(reason) {
    if (this.#readyState === SOURCE_CLOSED) return;
    this.#readyState = SOURCE_CLOSED;
    const isText = typeof reason === "string";
    fireEvent(this, new ErrorEvent("error", { message: isText ? reason : reason?.message, error: isText ? undefined : reason }));
  }

  get url() {
    return this.#url;
  }

  get withCredentials() {
    return this.#withCredentials;
  }

  get readyState() {
    return this.#readyState;
  }

  close() {
    if (this.#readyState === SOURCE_CLOSED) return;
    this.#readyState = SOURCE_CLOSED;
    this.#controller.abort();
  }

  /** @param {string} type */
  #handler(type) {
    let handler = mapGet(this.#handlers, type);
    if (handler === undefined) {
      handler = new Handler();
      mapSet(this.#handlers, type, handler);
    }
    return handler;
  }

  get onopen() {
    return this.#handler("open").value;
  }

  set onopen(value) {
    this.#handler("open").set(this, "open", value);
  }

  get onmessage() {
    return this.#handler("message").value;
  }

  set onmessage(value) {
    this.#handler("message").set(this, "message", value);
  }

  get onerror() {
    return this.#handler("error").value;
  }

  set onerror(value) {
    this.#handler("error").set(this, "error", value);
  }
}
defineInterface(EventSource, { constants: { CONNECTING: SOURCE_CONNECTING, OPEN: SOURCE_OPEN, CLOSED: SOURCE_CLOSED } });
