/** `OutgoingMessage` of `node:http`: the headers of a message on its way out, for requests of clients and responses of servers. */
import { Buffer } from "./buffer.js";
import { coded } from "./errors.js";
import { Writable } from "./stream.js";

// Tokens of RFC 9110; what a field value may not have.
const TOKEN = /^[\^_`a-zA-Z\-0-9!#$%&'*+.|~]+$/;
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

/** @param {any} name @param {string} [label] */
export function validateHeaderName(name, label = "Header name") {
  if (typeof name !== "string" || !TOKEN.test(name)) throw coded(TypeError, "ERR_INVALID_HTTP_TOKEN", `${label} must be a valid HTTP token ["${name}"]`);
}

/** @param {string} name @param {any} value */
export function validateHeaderValue(name, value) {
  if (value === undefined) throw coded(TypeError, "ERR_HTTP_INVALID_HEADER_VALUE", `Invalid value "undefined" for header "${name}"`);
  if (FORBIDDEN.test(`${value}`)) throw coded(TypeError, "ERR_INVALID_CHAR", `Invalid character in header content ["${name}"]`);
}

export class OutgoingMessage extends Writable {
  /** By lower-case name. @type {Map<string, {name: string, value: any}>} */
  #headers = new Map();
  /** Whether the head has gone out. */
  headSent = false;
  /** `end()` was called. */
  finished = false;
  sendDate = true;
  shouldKeepAlive = true;
  /** @type {any} */
  socket = null;
  /** @type {any} what frameworks hang on it */
  req = undefined;

  get connection() {
    return this.socket;
  }

  /** The head goes out: no header changes from now on. */
  sealHead() {
    this.headSent = true;
  }

  get headersSent() {
    return this.headSent;
  }

  /** What packages look at to see whether the head has gone out. */
  get _header() {
    return this.headSent ? "HTTP/1.1" : null;
  }

  /** @param {string} name @param {any} value */
  setHeader(name, value) {
    if (this.headSent) throw coded(Error, "ERR_HTTP_HEADERS_SENT", "Cannot set headers after they are sent to the client");
    validateHeaderName(name);
    for (const one of [value].flat()) validateHeaderValue(name, one);
    this.#headers.set(name.toLowerCase(), { name, value });
    return this;
  }

  /** @param {Headers | Map<string, any>} headers */
  setHeaders(headers) {
    for (const [name, value] of headers) {
      if (name.toLowerCase() === "set-cookie") this.appendHeader(name, value);
      else this.setHeader(name, value);
    }
    return this;
  }

  /** @param {string} name @param {any} value */
  appendHeader(name, value) {
    const before = this.getHeader(name);
    return this.setHeader(name, before === undefined ? value : [before, value].flat());
  }

  /** @param {string} name */
  getHeader(name) {
    return this.#headers.get(`${name}`.toLowerCase())?.value;
  }

  /** @param {string} name */
  hasHeader(name) {
    return this.#headers.has(`${name}`.toLowerCase());
  }

  /** @param {string} name */
  removeHeader(name) {
    if (this.headSent) throw coded(Error, "ERR_HTTP_HEADERS_SENT", "Cannot remove headers after they are sent to the client");
    this.#headers.delete(`${name}`.toLowerCase());
  }

  getHeaders() {
    return Object.assign(Object.create(null), Object.fromEntries([...this.#headers].map(([key, { value }]) => [key, value])));
  }

  getHeaderNames() {
    return [...this.#headers.keys()];
  }

  getRawHeaderNames() {
    return [...this.#headers.values()].map(({ name }) => name);
  }

  /** For `fetch()` and `Response`: without what a connection needs for itself. */
  webHeaders() {
    const headers = new Headers();
    for (const { name, value } of this.#headers.values()) for (const one of [value].flat()) headers.append(name, `${one}`);
    for (const name of ["connection", "keep-alive", "transfer-encoding", "expect"]) headers.delete(name);
    return headers;
  }

  addTrailers() {}
  setNoDelay() {}
  setSocketKeepAlive() {}

  /** @param {any[]} values */
  end(...values) {
    this.finished = true;
    return super.end(...values);
  }
}

/** A copy of a chunk as it was written. @param {any} chunk */
export const copyOf = (chunk) => (typeof chunk === "string" ? Buffer.from(chunk) : new Uint8Array(chunk));

/** A body that is written, as a stream that is read at its reader's pace. */
export class BodyWriter {
  /** @type {any} */
  #controller;
  /** @type {((error?: any) => void) | undefined} */
  #wanted;

  /** @param {(reason: any) => void} cancelled */
  constructor(cancelled) {
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        const wanted = this.#wanted;
        this.#wanted = undefined;
        wanted?.();
      },
      cancel: cancelled,
    });
  }

  /** @param {Uint8Array} bytes @param {(error?: any) => void} done is called when there is room for more */
  write(bytes, done) {
    if (bytes.byteLength > 0) this.#controller.enqueue(bytes);
    if ((this.#controller.desiredSize ?? 1) > 0) done();
    else this.#wanted = done;
  }

  close() {
    this.#controller.close();
  }

  /** @param {any} error */
  fail(error) {
    this.#controller.error(error);
  }
}
