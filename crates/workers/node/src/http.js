/** `node:http` (https://nodejs.org/api/http.html): clients, over `fetch()`. A Worker is a server by its `fetch` handler. */
import { unavailable } from "./errors.js";
import { ClientRequest, IncomingMessage } from "./http_client.js";
import { METHODS, STATUS_CODES } from "./http_names.js";

export { ClientRequest, IncomingMessage, METHODS, STATUS_CODES };

/** Connections are the runtime's: an agent only carries its options. */
export class Agent {
  /** @param {any} [options] */
  constructor(options = {}) {
    this.options = options;
    this.keepAlive = options.keepAlive ?? false;
    this.maxSockets = options.maxSockets ?? Infinity;
    this.maxFreeSockets = options.maxFreeSockets ?? 256;
    this.protocol = "http:";
    this.requests = {};
    this.sockets = {};
    this.freeSockets = {};
  }

  destroy() {}
}
export const globalAgent = new Agent({ keepAlive: true });

/** `(url, options, listener)`, with the middle left out or the options alone. @param {string} scheme @param {any[]} values */
export function requestOver(scheme, ...values) {
  const listener = typeof values.at(-1) === "function" ? values.pop() : undefined;
  return new ClientRequest(values[0], values[1], listener, scheme);
}
/** @param {any[]} values */
export const request = (...values) => requestOver("http:", ...values);
/** @param {any[]} values */
export function get(...values) {
  const made = request(...values);
  made.end();
  return made;
}

export class Server {
  constructor() {
    throw unavailable("http.Server");
  }
}
export const createServer = () => new Server();
export class OutgoingMessage {}
export class ServerResponse {
  constructor() {
    throw unavailable("http.ServerResponse");
  }
}
export const maxHeaderSize = 131072;
/** @param {string} name */
export function validateHeaderName(name) {
  new Headers([[name, ""]]);
}
/** @param {string} name @param {any} value */
export function validateHeaderValue(name, value) {
  new Headers([[name, value]]);
}
export const setMaxIdleHTTPParsers = () => {};
export const { WebSocket, CloseEvent, MessageEvent } = /** @type {any} */ (globalThis);

export default {
  Agent, ClientRequest, IncomingMessage, METHODS, OutgoingMessage, STATUS_CODES, Server, ServerResponse, createServer, get, globalAgent, maxHeaderSize,
  request, setMaxIdleHTTPParsers, validateHeaderName, validateHeaderValue,
};
