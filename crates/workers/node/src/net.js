/** `node:net` (https://nodejs.org/api/net.html): clients, over the sockets of `cloudflare:sockets`. Workers cannot listen. */
import { Buffer } from "./buffer.js";
import { connect as connectTcp } from "./cloudflare_sockets.js";
import { coded, invalidArgType, unavailable } from "./errors.js";
import { Duplex } from "./stream.js";

const V4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** @param {any} text */
export const isIPv4 = (text) => V4.test(`${text}`);
/** @param {any} text */
export function isIPv6(text) {
  const address = `${text}`.replace(/%.*$/, "");
  return address.includes(":") && /^[0-9a-fA-F:.]+$/.test(address) && URL.canParse(`http://[${address}]/`);
}
/** @param {any} text */
export const isIP = (text) => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0);

/** What a failed connection is called in Node.js, by what the runtime says. @type {[RegExp, string][]} */
const CODES = [
  [/connection_refused|refused/i, "ECONNREFUSED"],
  [/connection_timeout|timed? ?out/i, "ETIMEDOUT"],
  [/dns_error|dns_timeout|resolve/i, "ENOTFOUND"],
  [/unroutable|unreachable/i, "EHOSTUNREACH"],
  [/terminated|reset|lost/i, "ECONNRESET"],
];

/** @param {any} error @param {Socket} socket */
function nodeError(error, socket) {
  if (error?.code !== undefined && /^E[A-Z]/.test(error.code)) return error;
  const said = `${error?.message ?? error}`;
  const code = CODES.find(([pattern]) => pattern.test(said))?.[1] ?? "ECONNRESET";
  const { address, port } = socket.destination;
  return Object.assign(coded(Error, code, `connect ${code} ${address}:${port}: ${said}`), { address, port, syscall: "connect", cause: error });
}

/** `(port, host, listener)`, `(options, listener)`, with either left out. @param {any[]} values */
function argumentsOf(values) {
  const listener = typeof values.at(-1) === "function" ? values.at(-1) : undefined;
  const [first, second] = values;
  if (first !== null && typeof first === "object") return { options: first, listener };
  if (typeof first === "string" && !/^\d+$/.test(first)) throw unavailable("net.connect(path)");
  return { options: { port: Number(first), host: typeof second === "string" ? second : undefined }, listener };
}

export class Socket extends Duplex {
  /** The socket of the runtime. @type {any} */
  inner;
  /** @type {ReadableStreamBYOBReader | any} */
  #reader;
  /** @type {WritableStreamDefaultWriter | undefined} */
  #writer;
  destination = { address: "", port: 0 };
  connecting = false;
  bytesRead = 0;
  bytesWritten = 0;
  timeout = 0;
  /** @type {any} */
  #timer;
  /** Set when `startTls` has taken the connection over. */
  #handedOn = false;
  remoteFamily = "IPv4";
  localAddress = "0.0.0.0";
  localPort = 0;

  /** @param {any} [options] */
  constructor(options = {}) {
    super({ allowHalfOpen: options.allowHalfOpen ?? false, autoDestroy: true, emitClose: true, highWaterMark: options.highWaterMark, signal: options.signal });
  }

  get remoteAddress() {
    return this.inner === undefined ? undefined : this.destination.address;
  }

  get remotePort() {
    return this.inner === undefined ? undefined : this.destination.port;
  }

  get pending() {
    return this.inner === undefined || this.connecting;
  }

  get readyState() {
    if (this.connecting) return "opening";
    if (this.inner === undefined) return "closed";
    return this.readable ? (this.writable ? "open" : "readOnly") : this.writable ? "writeOnly" : "closed";
  }

  /** @param {any[]} values */
  connect(...values) {
    const { options, listener } = argumentsOf(values);
    const port = Number(options.port);
    const host = options.host ?? "localhost";
    if (options.path !== undefined) throw unavailable("net.connect(path)");
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw coded(RangeError, "ERR_SOCKET_BAD_PORT", `Port should be >= 0 and < 65536. Received ${options.port}.`);
    if (typeof host !== "string") throw invalidArgType("options.host", "of type string", host);
    if (listener !== undefined) this.once("connect", listener);
    this.destination = { address: host, port };
    this.remoteFamily = isIPv6(host) ? "IPv6" : "IPv4";
    this.connecting = true;
    this.adopt(() => connectTcp({ hostname: host, port }, { secureTransport: this.transport(), allowHalfOpen: true }), "connect");
    return this;
  }

  /** How the connection begins; `tls` has another way. */
  transport() {
    return "starttls";
  }

  /** Takes a socket of the runtime for its own, and says so when it stands. @param {() => any} open @param {string} event */
  adopt(open, event) {
    this.connecting = true;
    let inner;
    try {
      inner = open();
    } catch (error) {
      queueMicrotask(() => this.destroy(nodeError(error, this)));
      return;
    }
    this.inner = inner;
    this.#writer = inner.writable.getWriter();
    this.#reader = inner.readable.getReader();
    const fail = (/** @type {any} */ error) => {
      if (!this.#handedOn) this.destroy(nodeError(error, this));
    };
    inner.closed.then(undefined, fail);
    inner.opened.then(() => {
      if (this.destroyed) return;
      this.connecting = false;
      this.#touch();
      this.emit("connect");
      if (event !== "connect") this.emit(event);
      this.emit("ready");
    }, fail);
  }

  /** The runtime's socket, in TLS from now on; this one is over. @param {string} name of the server */
  startTls(name) {
    this.#handedOn = true;
    this.#reader.releaseLock();
    this.#writer?.releaseLock();
    return this.inner.startTls({ expectedServerHostname: name });
  }

  _read() {
    const read = () => {
      if (this.#handedOn || this.#reading) return;
      this.#reading = true;
      this.#reader.read().then(
        (/** @type {{value: Uint8Array | undefined, done: boolean}} */ { value, done }) => {
          this.#reading = false;
          if (done || value === undefined) {
            this.push(null);
            return;
          }
          this.bytesRead += value.byteLength;
          this.#touch();
          this.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
        },
        (/** @type {any} */ error) => {
          this.#reading = false;
          if (!this.#handedOn) this.destroy(nodeError(error, this));
        },
      );
    };
    if (this.connecting) this.once("connect", read);
    else if (this.inner !== undefined) read();
  }
  #reading = false;

  /** @param {any} chunk @param {any} _encoding @param {(error?: any) => void} done */
  _write(chunk, _encoding, done) {
    if (this.connecting || this.inner === undefined) {
      this.once("connect", () => this._write(chunk, _encoding, done));
      return;
    }
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.bytesWritten += bytes.byteLength;
    this.#touch();
    /** @type {WritableStreamDefaultWriter} */ (this.#writer).write(bytes).then(
      () => done(),
      (error) => done(nodeError(error, this)),
    );
  }

  /** @param {(error?: any) => void} done */
  _final(done) {
    if (this.connecting) {
      this.once("connect", () => this._final(done));
      return;
    }
    if (this.inner === undefined || this.#handedOn) done();
    else /** @type {WritableStreamDefaultWriter} */ (this.#writer).close().then(() => done(), () => done());
  }

  /** @param {any} error @param {(error: any) => void} done */
  _destroy(error, done) {
    clearTimeout(this.#timer);
    this.connecting = false;
    if (this.inner === undefined || this.#handedOn) {
      done(error);
      return;
    }
    this.inner.close().then(
      () => done(error),
      () => done(error),
    );
  }

  #touch() {
    if (this.timeout === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.emit("timeout"), this.timeout);
  }

  /** @param {number} milliseconds @param {() => void} [listener] */
  setTimeout(milliseconds, listener) {
    clearTimeout(this.#timer);
    this.timeout = milliseconds;
    if (listener !== undefined) {
      if (milliseconds === 0) this.removeListener("timeout", listener);
      else this.once("timeout", listener);
    }
    this.#touch();
    return this;
  }

  /** The runtime decides: packets go out at once. */
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
    return this.inner === undefined ? {} : { address: this.localAddress, port: this.localPort, family: this.remoteFamily };
  }

  destroySoon() {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", this.destroy);
  }

  resetAndDestroy() {
    return this.destroy();
  }
}

/** @param {any[]} values @returns {Socket} */
export function connect(...values) {
  const { options } = argumentsOf(values);
  const socket = new Socket(options);
  if (options.timeout) socket.setTimeout(options.timeout);
  return socket.connect(...values);
}
export const createConnection = connect;
export const Stream = Socket;

export class Server {
  constructor() {
    throw unavailable("net.Server");
  }
}
export const createServer = () => new Server();

export class BlockList {
  /** @type {((address: string) => boolean)[]} */
  #rules = [];
  /** @param {string} address */
  addAddress(address) {
    this.#rules.push((other) => other === address);
  }

  addRange() {
    throw unavailable("net.BlockList.addRange");
  }

  addSubnet() {
    throw unavailable("net.BlockList.addSubnet");
  }

  /** @param {string} address */
  check(address) {
    return this.#rules.some((rule) => rule(address));
  }
}
let autoSelect = true;
export const getDefaultAutoSelectFamily = () => autoSelect;
export const setDefaultAutoSelectFamily = (/** @type {boolean} */ value) => {
  autoSelect = value;
};
export const getDefaultAutoSelectFamilyAttemptTimeout = () => 250;
export const setDefaultAutoSelectFamilyAttemptTimeout = () => {};

export default {
  BlockList, Server, Socket, Stream, connect, createConnection, createServer, getDefaultAutoSelectFamily, getDefaultAutoSelectFamilyAttemptTimeout, isIP,
  isIPv4, isIPv6, setDefaultAutoSelectFamily, setDefaultAutoSelectFamilyAttemptTimeout,
};
