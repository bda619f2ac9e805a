/** `node:https`: as `node:http`, with TLS for clients; the edge has it for servers. */
import { Agent as HttpAgent, Server, createServer, requestOver } from "./http.js";

export class Agent extends HttpAgent {
  /** @param {any} [options] */
  constructor(options) {
    super(options);
    this.protocol = "https:";
  }
}
export const globalAgent = new Agent({ keepAlive: true });
/** @param {any[]} values */
export const request = (...values) => requestOver("https:", ...values);
/** @param {any[]} values */
export function get(...values) {
  const made = request(...values);
  made.end();
  return made;
}
export { Server, createServer };
export default { Agent, Server, createServer, get, globalAgent, request };
