/** `ClientRequest` of `node:http`, over `fetch()`: requests go out when they are ended or first flushed. */
import { Buffer } from "./buffer.js";
import { coded, invalidArgType } from "./errors.js";
import { IncomingMessage, receive } from "./http_incoming.js";
import { BodyWriter, OutgoingMessage } from "./http_outgoing.js";

/** @param {any} input @param {any} options @param {string} scheme */
function urlOf(input, options, scheme) {
  if (typeof input === "string" || input instanceof URL) return new URL(input);
  const { hostname, host, port, path = "/", protocol = scheme } = options;
  const name = hostname ?? host?.replace(/:\d+$/, "") ?? "localhost";
  const authority = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
  return new URL(`${protocol}//${authority}${port === undefined || port === null || port === "" ? "" : `:${port}`}${path}`);
}

export class ClientRequest extends OutgoingMessage {
  #abort = new AbortController();
  /** @type {Uint8Array[] | undefined} what was written before the request went out */
  #early = [];
  /** @type {BodyWriter | undefined} */
  #body;
  /** @type {any} */
  #timer;
  reusedSocket = false;
  aborted = false;

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

  flushHeaders() {
    if (!this.headSent) this.#send(true);
  }

  /** @param {boolean} streams whether more of the body comes */
  #send(streams) {
    this.sealHead();
    const headers = this.webHeaders();
    headers.delete("host");
    const early = /** @type {Uint8Array[]} */ (this.#early);
    this.#early = undefined;
    const bodiless = this.method === "GET" || this.method === "HEAD";
    /** @type {any} */
    let body = early.length === 0 ? undefined : Buffer.concat(early);
    if (streams && !bodiless) {
      this.#body = new BodyWriter((reason) => this.destroy(reason instanceof Error ? reason : undefined));
      for (const piece of early) this.#body.write(piece, () => {});
      body = this.#body.stream;
    }
    const init = /** @type {any} */ ({ method: this.method, headers, body: bodiless ? undefined : body, redirect: "manual", signal: this.#abort.signal });
    fetch(this.target, init).then(
      (response) => {
        clearTimeout(this.#timer);
        const message = new IncomingMessage();
        message.statusCode = response.status;
        message.statusMessage = response.statusText;
        message.url = response.url;
        receive(message, response.headers, response.body);
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
    if (this.#body === undefined) done();
    else this.#body.write(bytes, done);
  }

  /** @param {(error?: any) => void} done */
  _final(done) {
    if (!this.headSent) this.#send(false);
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
}
