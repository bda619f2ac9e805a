/** `node:tls` (https://nodejs.org/api/tls.html): clients. The runtime checks certificates; what it trusts cannot be changed from here. */
import { coded, unavailable } from "./errors.js";
import { Socket, isIP } from "./net.js";

/** @param {any} options */
function refuseWeaker(options) {
  if (options.rejectUnauthorized === false) {
    throw coded(Error, "ERR_TLS_OPTION", "The option rejectUnauthorized: false is not possible in Workers: certificates are always checked. For a private service, register it and set its cert_verification_mode.");
  }
  for (const name of ["ca", "cert", "key", "pfx", "checkServerIdentity"]) {
    if (options[name] !== undefined) throw coded(Error, "ERR_TLS_OPTION", `The option ${name} of tls.connect() is not possible in Workers.`);
  }
}

export class TLSSocket extends Socket {
  encrypted = true;
  authorized = false;
  authorizationError = null;
  alpnProtocol = false;
  servername;

  /** @param {Socket | undefined} socket @param {any} [options] */
  constructor(socket, options = {}) {
    super(options);
    this.servername = options.servername;
    this.once("secureConnect", () => (this.authorized = true));
    if (socket === undefined) return;
    this.destination = socket.destination;
    const begin = () => this.adopt(() => socket.startTls(options.servername ?? socket.destination.address), "secureConnect");
    if (socket.connecting) {
      this.connecting = true;
      socket.once("connect", begin);
      socket.once("error", (/** @type {any} */ error) => this.destroy(error));
    } else {
      begin();
    }
  }

  transport() {
    return "on";
  }

  /** @param {() => any} open @param {string} _event */
  adopt(open, _event) {
    super.adopt(open, "secureConnect");
  }

  getPeerCertificate() {
    return {};
  }

  getProtocol() {
    return "TLSv1.3";
  }

  getCipher() {
    return {};
  }

  getSession() {
    return undefined;
  }

  isSessionReused() {
    return false;
  }

  renegotiate() {
    throw unavailable("tls.TLSSocket.renegotiate");
  }
}

/** `(options, listener)`, `(port, host, options, listener)`. @param {any[]} values */
export function connect(...values) {
  const listener = typeof values.at(-1) === "function" ? values.pop() : undefined;
  const options = Object.assign({}, ...values.filter((value) => value !== null && typeof value === "object"));
  if (typeof values[0] === "number" || typeof values[0] === "string") options.port ??= Number(values[0]);
  if (typeof values[1] === "string") options.host ??= values[1];
  refuseWeaker(options);
  if (options.servername === undefined && options.host !== undefined && isIP(options.host) === 0) options.servername = options.host;
  const socket = new TLSSocket(options.socket, options);
  if (listener !== undefined) socket.once("secureConnect", listener);
  if (options.timeout) socket.setTimeout(options.timeout);
  if (options.socket === undefined) socket.connect({ host: options.host ?? "localhost", port: options.port });
  return socket;
}

/** A stand-in: what it would hold is the runtime's. @param {any} [options] */
export function createSecureContext(options = {}) {
  refuseWeaker(options);
  return { context: {} };
}
export class SecureContext {}
export const createServer = () => {
  throw unavailable("tls.createServer");
};
export class Server {
  constructor() {
    throw unavailable("tls.Server");
  }
}
export const checkServerIdentity = () => undefined;
export const getCiphers = () => ["tls_aes_128_gcm_sha256", "tls_aes_256_gcm_sha384", "tls_chacha20_poly1305_sha256"];
export const rootCertificates = /** @type {readonly string[]} */ (Object.freeze([]));
export const DEFAULT_MIN_VERSION = "TLSv1.2";
export const DEFAULT_MAX_VERSION = "TLSv1.3";
export const DEFAULT_ECDH_CURVE = "auto";
export const DEFAULT_CIPHERS = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
export const CLIENT_RENEG_LIMIT = 3;
export const CLIENT_RENEG_WINDOW = 600;
/** @param {string[]} protocols @param {any} out */
export function convertALPNProtocols(protocols, out) {
  out.ALPNProtocols = new Uint8Array(protocols.flatMap((name) => [name.length, ...new TextEncoder().encode(name)]));
}

export default {
  CLIENT_RENEG_LIMIT, CLIENT_RENEG_WINDOW, DEFAULT_CIPHERS, DEFAULT_ECDH_CURVE, DEFAULT_MAX_VERSION, DEFAULT_MIN_VERSION, SecureContext, Server,
  TLSSocket, checkServerIdentity, connect, convertALPNProtocols, createSecureContext, createServer, getCiphers, rootCertificates,
};
