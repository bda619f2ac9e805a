/**
 * `Server` and `ServerResponse` of `node:http`: a server that "listens" on a port is one that `httpServerHandler` of `cloudflare:node` can hand
 * requests of visitors to. No port of the machine is opened.
 */
import { coded, invalidArgType } from "./errors.js";
import EventEmitter from "./events.js";
import { IncomingMessage, receive } from "./http_incoming.js";
import { STATUS_CODES } from "./http_names.js";
import { BodyWriter, OutgoingMessage } from "./http_outgoing.js";
import { nextTick } from "./internal_process.js";
import { Duplex } from "./stream.js";

/** The servers that listen, by port. @type {Map<number, Server>} */
const listening = new Map();
/** Where ports are taken from for those who ask for any. */
const EPHEMERAL = 49152;

/** The visitor's connection, as far as handlers look at it. */
class VisitorSocket extends Duplex {
  remoteFamily = "IPv4";
  remotePort = 0;
  localAddress = "127.0.0.1";
  bytesRead = 0;
  bytesWritten = 0;

  /** @param {Request} request @param {number} port */
  constructor(request, port) {
    super();
    this.remoteAddress = request.headers.get("cf-connecting-ip") ?? "127.0.0.1";
    if (this.remoteAddress.includes(":")) this.remoteFamily = "IPv6";
    this.localPort = port;
    this.encrypted = new URL(request.url).protocol === "https:";
  }

  _read() {}
  /** @param {any} _chunk @param {any} _encoding @param {() => void} done */
  _write(_chunk, _encoding, done) {
    done();
  }

  setTimeout() {
    return this;
  }

  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }

  address() {
    return { address: this.localAddress, port: this.localPort, family: "IPv4" };
  }
}

/** Ties a response to the promise of a `Response`. @type {(response: ServerResponse, respond: (response: Response) => void, fail: (error: any) => void) => void} */
let answer;

export class ServerResponse extends OutgoingMessage {
  /** @type {(response: Response) => void} */
  #respond = () => {};
  /** @type {(error: any) => void} */
  #fail = () => {};
  /** The first chunk, until it is known whether it is the only one. @type {Uint8Array | undefined} */
  #first;
  /** @type {BodyWriter | undefined} */
  #body;
  #responded = false;
  statusCode = 200;
  /** @type {string | undefined} */
  statusMessage = undefined;

  /** @param {IncomingMessage} request */
  constructor(request) {
    super();
    this.req = request;
    this.socket = request.socket;
  }

  /** Whether the status or the method leaves no room for a body. */
  get #isBodiless() {
    return this.req?.method === "HEAD" || this.statusCode === 204 || this.statusCode === 304 || this.statusCode < 200;
  }

  /** @param {number} status @param {any} [reason] @param {any} [headers] */
  writeHead(status, reason, headers) {
    if (this.headSent) throw coded(Error, "ERR_HTTP_HEADERS_SENT", "Cannot write headers after they are sent to the client");
    if (!Number.isInteger(status) || status < 100 || status > 999) throw coded(RangeError, "ERR_HTTP_INVALID_STATUS_CODE", `Invalid status code: ${status}`);
    this.statusCode = status;
    if (typeof reason === "string") this.statusMessage = reason;
    else headers = reason;
    if (Array.isArray(headers)) {
      const pairs = headers.every(Array.isArray) ? headers : headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1]]] : []));
      for (const [name] of pairs) this.removeHeader(name);
      for (const [name, value] of pairs) this.appendHeader(name, value);
    } else if (headers) {
      for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.setHeader(name, value);
    }
    this.statusMessage ??= STATUS_CODES[status] ?? "unknown";
    this.sealHead();
    return this;
  }

  /** The head as it stands, when nobody wrote one. Packages replace `writeHead` to hear of it. */
  _implicitHeader() {
    this.writeHead(this.statusCode);
  }

  flushHeaders() {
    if (!this.headSent) this._implicitHeader();
    this.#begin();
  }

  /** @param {ReadableStream<Uint8Array> | Uint8Array | null} body */
  #give(body) {
    this.#responded = true;
    const headers = this.webHeaders();
    // What was encoded goes out as it is.
    const encodeBody = headers.has("content-encoding") ? "manual" : "automatic";
    try {
      this.#respond(new Response(this.#isBodiless ? null : /** @type {any} */ (body), /** @type {any} */ ({ status: this.statusCode, statusText: this.statusMessage, headers, encodeBody })));
    } catch (error) {
      this.#fail(error);
      this.destroy(/** @type {any} */ (error));
    }
  }

  /** The head goes out, the body follows. */
  #begin() {
    if (this.#responded) return;
    this.#body = new BodyWriter(() => this.destroy());
    if (this.#first !== undefined) this.#body.write(this.#first, () => {});
    this.#first = undefined;
    this.#give(this.#body.stream);
  }

  /** @param {any} chunk @param {any[]} rest */
  write(chunk, ...rest) {
    if (!this.headSent) this._implicitHeader();
    return super.write(chunk, ...rest);
  }

  /** @param {any[]} values */
  end(...values) {
    if (!this.headSent && !this.finished) this._implicitHeader();
    return super.end(...values);
  }

  /** @param {any} chunk @param {any} _encoding @param {(error?: any) => void} done */
  _write(chunk, _encoding, done) {
    const bytes = new Uint8Array(chunk);
    if (this.#isBodiless) {
      done();
    } else if (!this.#responded && this.finished && this.#first === undefined && this.writableLength === bytes.byteLength) {
      this.#first = bytes;
      done();
    } else {
      this.#begin();
      /** @type {BodyWriter} */ (this.#body).write(bytes, done);
    }
  }

  /** @param {(error?: any) => void} done */
  _final(done) {
    if (this.#responded) this.#body?.close();
    else this.#give(this.#first ?? null);
    done();
  }

  /** @param {any} error @param {(error: any) => void} done */
  _destroy(error, done) {
    if (!this.writableFinished) {
      const reason = error ?? coded(Error, "ECONNRESET", "The response was destroyed before it was complete.");
      if (this.#responded) this.#body?.fail(reason);
      else this.#fail(reason);
    }
    done(error);
  }

  /** @param {any} _milliseconds @param {any} [_listener] */
  setTimeout(_milliseconds, _listener) {
    return this;
  }

  // Interim responses are the edge's.
  writeContinue() {}
  writeProcessing() {}
  writeEarlyHints() {}
  assignSocket() {}
  detachSocket() {}

  static {
    answer = (response, respond, fail) => {
      response.#respond = respond;
      response.#fail = fail;
    };
  }
}

export class Server extends EventEmitter {
  #port = 0;
  #listens = false;
  timeout = 0;
  keepAliveTimeout = 5000;
  headersTimeout = 60000;
  requestTimeout = 300000;
  maxHeadersCount = null;
  maxRequestsPerSocket = 0;

  /** @param {any} [options] @param {any} [listener] */
  constructor(options, listener) {
    super();
    if (typeof options === "function") listener = options;
    else if (options !== undefined && (options === null || typeof options !== "object")) throw invalidArgType("options", "of type object", options);
    this.IncomingMessage = options?.IncomingMessage ?? IncomingMessage;
    this.ServerResponse = options?.ServerResponse ?? ServerResponse;
    if (listener !== undefined) this.on("request", listener);
  }

  get listening() {
    return this.#listens;
  }

  /** `(port, host, backlog, listener)` with any left out, or `({ port }, listener)`. @param {any[]} values */
  listen(...values) {
    if (this.#listens) throw coded(Error, "ERR_SERVER_ALREADY_LISTEN", "Listen method has been called more than once without closing.");
    const listener = values.find((value) => typeof value === "function");
    const [first] = values;
    let port = Number(first !== null && typeof first === "object" ? (first.port ?? 0) : typeof first === "function" ? 0 : (first ?? 0));
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw coded(RangeError, "ERR_SOCKET_BAD_PORT", `options.port should be >= 0 and < 65536. Received ${first?.port ?? first}.`);
    if (port === 0) for (port = EPHEMERAL; listening.has(port); ) port++;
    if (listening.has(port)) throw Object.assign(coded(Error, "EADDRINUSE", `listen EADDRINUSE: address already in use :::${port}`), { syscall: "listen", port });
    this.#port = port;
    this.#listens = true;
    listening.set(port, this);
    if (listener !== undefined) this.once("listening", listener);
    nextTick(() => this.emit("listening"));
    return this;
  }

  /** @param {(error?: any) => void} [done] */
  close(done) {
    const error = this.#listens ? undefined : coded(Error, "ERR_SERVER_NOT_RUNNING", "Server is not running.");
    if (this.#listens) listening.delete(this.#port);
    this.#listens = false;
    nextTick(() => {
      if (error === undefined) this.emit("close");
      done?.(error);
    });
    return this;
  }

  async [Symbol.asyncDispose]() {
    await new Promise((resolve) => this.close(resolve));
  }

  address() {
    return this.#listens ? { address: "127.0.0.1", port: this.#port, family: "IPv4" } : null;
  }

  /** @param {number} [milliseconds] @param {() => void} [listener] */
  setTimeout(milliseconds = 0, listener = undefined) {
    this.timeout = milliseconds;
    if (listener !== undefined) this.on("timeout", listener);
    return this;
  }

  closeAllConnections() {}
  closeIdleConnections() {}

  ref() {
    return this;
  }

  unref() {
    return this;
  }
}

/** @param {any} [options] @param {any} [listener] */
export const createServer = (options, listener) => new Server(options, listener);

/** @param {any} chosen a port, an object with one, or a server */
function serverOf(chosen) {
  if (chosen instanceof Server) return chosen;
  const port = typeof chosen === "number" ? chosen : chosen?.port;
  if (!Number.isInteger(port)) throw invalidArgType("port", "a port, an object with one, or a server of node:http", chosen);
  const server = listening.get(port);
  if (server === undefined) throw coded(Error, "ERR_INVALID_ARG_VALUE", `No server of node:http listens on port ${port}: call server.listen(${port}) at the top level of the Worker.`);
  return server;
}

/** Hands a visitor's request to a server. @param {any} chosen @param {Request} request @returns {Promise<Response>} */
export function handleAsNodeRequest(chosen, request) {
  const server = serverOf(chosen);
  const socket = new VisitorSocket(request, server.address()?.port ?? 0);
  const incoming = new server.IncomingMessage(socket);
  const url = new URL(request.url);
  incoming.method = request.method;
  incoming.url = url.pathname + url.search;
  receive(incoming, request.headers, request.body);
  if (incoming.headers.host === undefined) incoming.headers.host = url.host;
  return new Promise((resolve, reject) => {
    const response = new server.ServerResponse(incoming);
    answer(response, resolve, reject);
    response.once("close", () => {
      socket.destroy();
      if (!incoming.destroyed && !incoming.complete) incoming.destroy();
    });
    request.signal?.addEventListener("abort", () => {
      incoming.aborted = true;
      if (!response.writableFinished) response.destroy();
    });
    if (!server.emit("request", incoming, response)) reject(coded(Error, "ERR_UNHANDLED_REQUEST", "The server of node:http has no listener for its event \"request\"."));
  });
}

/** The handlers of a Worker that is a server of `node:http`. @param {any} chosen a port, an object with one, or a server */
export function httpServerHandler(chosen) {
  if (chosen instanceof Server && !chosen.listening) chosen.listen(0);
  return { fetch: (/** @type {Request} */ request) => handleAsNodeRequest(chosen, request) };
}
