/** `ClientRequest` and `IncomingMessage` of `node:http`, over `fetch()`: requests go out when they are ended or first flushed. */
import { Buffer } from "./buffer.js";
import { coded, invalidArgType } from "./errors.js";
import { Readable, Writable } from "./stream.js";

export class IncomingMessage extends Readable {
  /** @type {ReadableStreamDefaultReader<Uint8Array> | undefined} */
  #reader;
  /** @param {Response} response */
  constructor(response) {
    super();
    this.statusCode = response.status;
    this.statusMessage = response.statusText;
    this.httpVersion = "1.1";
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;
    this.url = response.url;
    /** @type {Record<string, any>} */
    this.headers = {};
    /** @type {string[]} */
    this.rawHeaders = [];
    for (const [name, value] of response.headers) {
      this.rawHeaders.push(name, value);
      if (name === "set-cookie") (this.headers[name] ??= []).push(value);
      else this.headers[name] = this.headers[name] === undefined ? value : `${this.headers[name]}, ${value}`;
    }
    this.trailers = {};
    this.rawTrailers = /** @type {string[]} */ ([]);
    this.complete = false;
    this.#reader = response.body?.getReader();
  }

  _read() {
    if (this.#reader === undefined) {
      this.complete = true;
      this.push(null);
      return;
    }
    this.#reader.read().then(
      ({ value, done }) => {
        if (done) this.complete = true;
        this.push(done ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      },
      (error) => this.destroy(Object.assign(coded(Error, "ECONNRESET", `aborted: ${error?.message}`), { cause: error })),
    );
  }

  /** @param {any} error @param {(error: any) => void} done */
  _destroy(error, done) {
    if (!this.complete) this.#reader?.cancel(error ?? undefined).catch(() => {});
    done(error);
  }

  get headersDistinct() {
    return Object.fromEntries(Object.entries(this.headers).map(([name, value]) => [name, [value].flat()]));
  }

  setTimeout() {
    return this;
  }
}

/** @param {any} input @param {any} options @param {string} scheme */
function urlOf(input, options, scheme) {
  if (typeof input === "string" || input instanceof URL) return new URL(input);
  const { hostname, host, port, path = "/", protocol = scheme } = options;
  const name = hostname ?? host?.replace(/:\d+$/, "") ?? "localhost";
  const authority = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
  return new URL(`${protocol}//${authority}${port === undefined || port === null || port === "" ? "" : `:${port}`}${path}`);
}

export class ClientRequest extends Writable {
  #headers = new Map();
  #abort = new AbortController();
  #sent = false;
  /** @type {Uint8Array[] | undefined} what was written before the request went out */
  #early = [];
  /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
  #body;
  /** @type {(() => void) | undefined} */
  #wanted;
  /** @type {any} */
  #timer;
  reusedSocket = false;
  aborted = false;
  /** @type {any} */
  socket = null;

  /** @param {any} input @param {any} options @param {((response: IncomingMessage) => void) | undefined} listener @param {string} scheme */
  constructor(input, options, listener, scheme) {
    super();
    const chosen = input !== null && typeof input === "object" && !(input instanceof URL) ? { ...input, ...options } : (options ?? {});
    this.target = urlOf(input, chosen, scheme);
    this.method = `${chosen.method ?? "GET"}`.toUpperCase();
    this.path = this.target.pathname + this.target.search;
    this.host = this.target.hostname;
    this.protocol = this.target.protocol;
    const given = chosen.headers ?? {};
    if (Array.isArray(given)) for (let i = 0; i + 1 < given.length; i += 2) this.appendHeader(given[i], given[i + 1]);
    else for (const [name, value] of given instanceof Headers ? given : Object.entries(given)) if (value !== undefined) this.setHeader(name, value);
    if (chosen.auth !== undefined && !this.hasHeader("authorization")) this.setHeader("authorization", `Basic ${Buffer.from(chosen.auth).toString("base64")}`);
    if (listener !== undefined) this.once("response", listener);
    if (chosen.timeout) this.setTimeout(chosen.timeout);
    chosen.signal?.addEventListener("abort", () => this.destroy(chosen.signal.reason), { once: true });
  }

  /** @param {string} name @param {any} value */
  setHeader(name, value) {
    if (typeof name !== "string" || name === "") throw coded(TypeError, "ERR_INVALID_HTTP_TOKEN", `Header name must be a valid HTTP token ["${name}"]`);
    if (value === undefined) throw coded(TypeError, "ERR_HTTP_INVALID_HEADER_VALUE", `Invalid value "undefined" for header "${name}"`);
    if (this.#sent) throw coded(Error, "ERR_HTTP_HEADERS_SENT", "Cannot set headers after they are sent to the client");
    this.#headers.set(name.toLowerCase(), { name, value });
    return this;
  }

  /** @param {string} name @param {any} value */
  appendHeader(name, value) {
    const before = this.getHeader(name);
    return this.setHeader(name, before === undefined ? value : [before, value].flat());
  }

  /** @param {string} name */
  getHeader(name) {
    return this.#headers.get(name.toLowerCase())?.value;
  }

  /** @param {string} name */
  hasHeader(name) {
    return this.#headers.has(name.toLowerCase());
  }

  /** @param {string} name */
  removeHeader(name) {
    this.#headers.delete(name.toLowerCase());
  }

  getHeaders() {
    return Object.fromEntries([...this.#headers].map(([key, { value }]) => [key, value]));
  }

  getHeaderNames() {
    return [...this.#headers.keys()];
  }

  get headersSent() {
    return this.#sent;
  }

  flushHeaders() {
    if (!this.#sent) this.#send(true);
  }

  /** @param {boolean} streams whether more of the body comes */
  #send(streams) {
    this.#sent = true;
    const headers = new Headers();
    for (const { name, value } of this.#headers.values()) for (const one of [value].flat()) headers.append(name, `${one}`);
    for (const name of ["connection", "host", "transfer-encoding", "expect"]) headers.delete(name);
    const early = /** @type {Uint8Array[]} */ (this.#early);
    this.#early = undefined;
    const bodiless = this.method === "GET" || this.method === "HEAD";
    /** @type {any} */
    let body = early.length === 0 ? undefined : Buffer.concat(early);
    if (streams && !bodiless) {
      body = new ReadableStream({
        start: (controller) => {
          this.#body = controller;
          for (const piece of early) controller.enqueue(piece);
        },
        pull: () => {
          const wanted = this.#wanted;
          this.#wanted = undefined;
          wanted?.();
        },
        cancel: (reason) => {
          this.destroy(reason instanceof Error ? reason : undefined);
        },
      });
    }
    const init = /** @type {any} */ ({ method: this.method, headers, body: bodiless ? undefined : body, redirect: "manual", signal: this.#abort.signal });
    fetch(this.target, init).then(
      (response) => {
        clearTimeout(this.#timer);
        const message = new IncomingMessage(response);
        if (!this.emit("response", message)) message.resume();
      },
      (error) => {
        if (!this.destroyed) this.destroy(Object.assign(coded(Error, error?.code ?? "ECONNRESET", `${error?.message ?? error}`), { cause: error }));
      },
    );
  }

  /** @param {any} chunk @param {any} _encoding @param {(error?: any) => void} done */
  _write(chunk, _encoding, done) {
    const bytes = new Uint8Array(chunk);
    if (this.#early !== undefined) {
      this.#early.push(bytes);
      // The length is not known: what follows is streamed.
      if (this.#early.length > 1) this.#send(true);
      done();
      return;
    }
    if (this.#body === undefined) {
      done();
      return;
    }
    this.#body.enqueue(bytes);
    if ((this.#body.desiredSize ?? 1) > 0) done();
    else this.#wanted = done;
  }

  /** @param {(error?: any) => void} done */
  _final(done) {
    if (!this.#sent) this.#send(false);
    else this.#body?.close();
    done();
  }

  /** @param {any} error @param {(error: any) => void} done */
  _destroy(error, done) {
    clearTimeout(this.#timer);
    // After the whole request was sent, its response goes on by itself.
    if (error || !this.writableFinished) this.#abort.abort(error ?? undefined);
    done(error);
  }

  abort() {
    this.aborted = true;
    this.#abort.abort();
    this.destroy();
    this.emit("abort");
  }

  /** @param {number} milliseconds @param {() => void} [listener] */
  setTimeout(milliseconds, listener) {
    if (typeof milliseconds !== "number") throw invalidArgType("msecs", "of type number", milliseconds);
    clearTimeout(this.#timer);
    if (listener !== undefined) this.once("timeout", listener);
    if (milliseconds > 0) this.#timer = setTimeout(() => this.emit("timeout"), milliseconds);
    return this;
  }

  setNoDelay() {}
  setSocketKeepAlive() {}
}

