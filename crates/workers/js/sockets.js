/** connect() and its Socket (https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/). */
import host from "./host_object.js";
import { current, onComplete, requireInvocation } from "./invocation.js";
import { TypeError, isInteger, promiseThen, stringSlice } from "./primordials.js";
import { SocketStreams } from "./socket_streams.js";
import { hashOf, hostnameOf, parseUrl, passwordOf, pathnameOf, portOf, searchOf, usernameOf } from "./url_record.js";
import { INTERNAL, defineInterface, illegalConstructor, isObject, requireArguments, toDOMString, toDictionary } from "./webidl.js";
import { closeOrCloseInFlight, closeWritable } from "./writable_core.js";

/**
 * @typedef {object} Options of a socket
 * @property {"off" | "on" | "starttls"} secureTransport
 * @property {boolean} allowHalfOpen
 * @property {number | undefined} highWaterMark
 */

/** A TCP connection: bytes each way, as streams. */
export class Socket {
  /** @type {string} */
  #hostname;
  /** @type {Options} */
  #options;
  /** @type {boolean} */
  #upgraded;
  /** @type {SocketStreams} */
  #streams;
  /** @type {Promise<any> | undefined} */
  #closing;

  /** @param {any} key @param {any} hostname @param {any} options @param {any} upgraded @param {any} streams */
  constructor(key = undefined, hostname = undefined, options = undefined, upgraded = undefined, streams = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#hostname = hostname;
    this.#options = options;
    this.#upgraded = upgraded;
    this.#streams = streams;
  }

  get readable() {
    return this.#streams.readable;
  }

  get writable() {
    return this.#streams.writable;
  }

  /** Resolves with what is known of the connection once it stands. */
  get opened() {
    return this.#streams.opened;
  }

  /** Resolves when the connection is closed, rejects when it broke. */
  get closed() {
    return this.#streams.closed;
  }

  /** Whether `startTls()` made it. */
  get upgraded() {
    return this.#upgraded;
  }

  get secureTransport() {
    return this.#options.secureTransport;
  }

  /** Sends what was written, then closes both directions. */
  close() {
    return (this.#closing ??= this.#streams.close());
  }

  /** Goes on in TLS: gives the socket to use from now on. @param {any} [options] */
  startTls(options = undefined) {
    const { secureTransport } = this.#options;
    if (secureTransport === "on") throw new TypeError("Cannot startTls on a TLS socket.");
    if (secureTransport !== "starttls") {
      throw new TypeError("The `secureTransport` socket option must be set to 'starttls' for startTls to be used.");
    }
    if (this.#streams.handedOn) throw new TypeError("startTls can only be called once.");
    if (this.#closing !== undefined || closeOrCloseInFlight(this.#streams.writableState)) {
      throw new TypeError("startTls cannot be called on a socket that is being closed.");
    }
    const { expectedServerHostname } = toDictionary(options, "The options of startTls");
    const name = expectedServerHostname === undefined ? this.#hostname : toDOMString(expectedServerHostname);
    const before = this.#streams;
    before.handedOn = true;
    const after = new SocketStreams(this.#options);
    promiseThen(
      // What was written in plain text goes out first.
      promiseThen(before.connected, () => closeWritable(before.writableState)),
      () => {
        const { id } = before;
        before.handOn();
        onComplete(
          host.socketStartTls(id, name),
          () => after.begin(id, before.remoteAddress),
          (error) => {
            host.socketClose(id);
            after.fail(error);
          },
        );
      },
      (error) => after.fail(error),
    );
    return new Socket(INTERNAL, this.#hostname, { ...this.#options, secureTransport: "on" }, true, after);
  }
}
defineInterface(Socket);

/**
 * @param {string | undefined} binding the name of a VPC binding, or undefined for the public network
 * @param {any} address
 * @param {any} options
 */
export function connectThrough(binding, address, options) {
  requireInvocation();
  const { hostname, port } = addressOf(address);
  const chosen = optionsOf(options);
  const streams = new SocketStreams(chosen);
  const name = chosen.secureTransport === "on" ? hostname : undefined;
  const operation = host.socketConnect(current, binding, hostname, port, name);
  onComplete(
    operation,
    (connected) => streams.begin(connected[0], connected[1]),
    (error) => streams.fail(error),
  );
  return new Socket(INTERNAL, hostname, chosen, false, streams);
}

/** @param {any} address @param {any} [options] */
export function connect(address, options = undefined) {
  requireArguments(arguments.length, 1, "connect");
  return connectThrough(undefined, address, options);
}

/** Host and port of `"host:port"` or `{hostname, port}`, an IPv6 address without brackets. @param {any} address */
function addressOf(address) {
  if (isObject(address)) {
    const { hostname, port } = address;
    if (hostname === undefined) throw new TypeError("Specified address is missing hostname.");
    if (port === undefined) throw new TypeError("Specified address is missing port.");
    return { hostname: bare(toDOMString(hostname)), port: toPort(+port) };
  }
  const text = toDOMString(address);
  const record = parseUrl(`fake://${text}`);
  if (record === undefined) throw new TypeError("Specified address could not be parsed.");
  const hostname = hostnameOf(record);
  const port = portOf(record);
  if (hostname === "") throw new TypeError("Specified address is missing hostname.");
  if (port === "") throw new TypeError("Specified address is missing port.");
  if (usernameOf(record) !== "" || passwordOf(record) !== "" || pathnameOf(record) !== "" || searchOf(record) !== "" || hashOf(record) !== "") {
    throw new TypeError('Specified address could not be parsed: it must be a host and a port, as in "db.internal:5432".');
  }
  return { hostname: bare(hostname), port: toPort(+port) };
}

/** @param {string} hostname */
function bare(hostname) {
  if (hostname === "") throw new TypeError("Specified address is missing hostname.");
  return hostname[0] === "[" ? stringSlice(hostname, 1, -1) : hostname;
}

/** @param {number} port */
function toPort(port) {
  if (!isInteger(port) || port < 1 || port > 65535) throw new TypeError("Specified port must be between 1 and 65535.");
  return port;
}

/** @param {any} given @returns {Options} */
function optionsOf(given) {
  const { secureTransport = "off", allowHalfOpen = false, highWaterMark } = toDictionary(given, "The options of connect");
  if (secureTransport !== "off" && secureTransport !== "on" && secureTransport !== "starttls") {
    throw new TypeError(`Unsupported value in secureTransport socket option: ${toDOMString(secureTransport)}`);
  }
  const mark = highWaterMark === undefined ? undefined : +highWaterMark;
  if (mark !== undefined && !(mark >= 0)) throw new TypeError("The highWaterMark of a socket must be a number that is not negative.");
  return { secureTransport, allowHalfOpen: !!allowHalfOpen, highWaterMark: mark };
}
