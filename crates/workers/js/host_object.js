/** The runtime's side, taken from the global object before any code of a Worker can see it. See `host.d.ts`. */

/** @type {Host} */
const host = /** @type {any} */ (globalThis).__host;
delete (/** @type {any} */ (globalThis).__host);

export default host;
