/** `IncomingMessage` of `node:http`: a message that has come, a client's response or a server's request, whose body is a web stream. */
import { Buffer } from "./buffer.js";
import { coded } from "./errors.js";
import { Readable } from "./stream.js";

/** Of these fields only the first counts (https://nodejs.org/api/http.html#messageheaders). */
const ONCE = new Set([
  "age", "authorization", "content-length", "content-type", "etag", "expires", "from", "host", "if-modified-since", "if-unmodified-since", "last-modified",
  "location", "max-forwards", "proxy-authorization", "referer", "retry-after", "server", "user-agent",
]);

/** Gives a message what has come. @type {(message: IncomingMessage, headers: Iterable<[string, string]>, body: ReadableStream<Uint8Array> | null) => void} */
export let receive;

export class IncomingMessage extends Readable {
  /** @type {ReadableStream<Uint8Array> | null | undefined} */
  #body;
  /** @type {ReadableStreamDefaultReader<Uint8Array> | undefined} */
  #reader;
  httpVersion = "1.1";
  httpVersionMajor = 1;
  httpVersionMinor = 1;
  url = "";
  /** @type {string | null} */
  method = null;
  /** @type {number | null} */
  statusCode = null;
  /** @type {string | null} */
  statusMessage = null;
  /** @type {Record<string, any>} */
  headers = {};
  /** @type {Record<string, string[]>} */
  headersDistinct = {};
  /** @type {string[]} */
  rawHeaders = [];
  trailers = {};
  trailersDistinct = {};
  /** @type {string[]} */
  rawTrailers = [];
  complete = false;
  aborted = false;

  /** @param {any} [socket] */
  constructor(socket = null) {
    super({ highWaterMark: socket?.readableHighWaterMark });
    this.socket = socket;
  }

  get connection() {
    return this.socket;
  }

  _read() {
    this.#reader ??= this.#body?.getReader();
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
      (error) => {
        this.aborted = true;
        this.emit("aborted");
        this.destroy(Object.assign(coded(Error, "ECONNRESET", `aborted: ${error?.message}`), { cause: error }));
      },
    );
  }

  /** @param {any} error @param {(error: any) => void} done */
  _destroy(error, done) {
    if (!this.complete) {
      const cancelled = this.#reader === undefined ? this.#body?.cancel() : this.#reader.cancel(error ?? undefined);
      cancelled?.catch(() => {});
    }
    done(error);
  }

  /** @param {number} _milliseconds @param {() => void} [_listener] */
  setTimeout(_milliseconds, _listener) {
    return this;
  }

  static {
    receive = (message, headers, body) => {
      for (const [name, value] of headers) {
        message.rawHeaders.push(name, value);
        (message.headersDistinct[name] ??= []).push(value);
        const before = message.headers[name];
        if (name === "set-cookie") (message.headers[name] ??= []).push(value);
        else if (before === undefined) message.headers[name] = value;
        else if (!ONCE.has(name)) message.headers[name] = `${before}${name === "cookie" ? ";" : ","} ${value}`;
      }
      message.#body = body;
    };
  }
}
