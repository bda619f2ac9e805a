/** `node:http` (https://nodejs.org/api/http.html): clients, over `fetch()`, and servers, which `cloudflare:node` hands the requests of visitors to. */
import { ClientRequest } from "./http_client.js";
import { IncomingMessage } from "./http_incoming.js";
import { METHODS, STATUS_CODES } from "./http_names.js";
import { OutgoingMessage, validateHeaderName, validateHeaderValue } from "./http_outgoing.js";
import { Server, ServerResponse, createServer } from "./http_server.js";

export { ClientRequest, IncomingMessage, METHODS, OutgoingMessage, STATUS_CODES, Server, ServerResponse, createServer, validateHeaderName, validateHeaderValue };

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

export const maxHeaderSize = 131072;
export const setMaxIdleHTTPParsers = () => {};
export const { WebSocket, CloseEvent, MessageEvent } = /** @type {any} */ (globalThis);

export default {
  Agent, ClientRequest, IncomingMessage, METHODS, OutgoingMessage, STATUS_CODES, Server, ServerResponse, createServer, get, globalAgent, maxHeaderSize,
  request, setMaxIdleHTTPParsers, validateHeaderName, validateHeaderValue,
};
