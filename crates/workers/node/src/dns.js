/**
 * `node:dns`: a Worker here has no resolver of its own. Names are resolved where connections are made: `connect()` and `node:net` take host
 * names. `lookup` answers for addresses; everything else fails with `ENOTIMP`, which Node.js has for "not implemented by the resolver".
 */
import { coded, requireFunction } from "./errors.js";
import { isIP } from "./net.js";

const NAMES = /** @type {const} */ ([
  "resolve", "resolve4", "resolve6", "resolveAny", "resolveCaa", "resolveCname", "resolveMx", "resolveNaptr", "resolveNs", "resolvePtr", "resolveSoa",
  "resolveSrv", "resolveTxt", "reverse",
]);

/** @param {string} what @param {string} name */
const refusal = (what, name) =>
  Object.assign(coded(Error, "ENOTIMP", `${what} ENOTIMP ${name}: Workers resolve names only where they connect: give the name to connect() or node:net.`), { syscall: what, hostname: name });

/** @param {string} name @param {any} [options] */
async function lookupPromise(name, options = {}) {
  const family = isIP(name) || (name === "localhost" ? 4 : 0);
  if (family === 0) throw refusal("getaddrinfo", name);
  const found = { address: name === "localhost" ? "127.0.0.1" : name, family };
  return options?.all ? [found] : found;
}

/** @param {string} name @param {any} options @param {any} [callback] */
export function lookup(name, options, callback = options) {
  requireFunction(callback, "callback");
  const chosen = typeof options === "object" ? options : {};
  lookupPromise(name, chosen).then(
    (/** @type {any} */ found) => (chosen.all ? callback(null, found) : callback(null, found.address, found.family)),
    callback,
  );
}

/** @type {Record<string, any>} */
const refusing = Object.fromEntries(
  NAMES.map((what) => [
    what,
    (/** @type {string} */ name, /** @type {any[]} */ ...rest) => {
      const callback = rest.at(-1);
      requireFunction(callback, "callback");
      queueMicrotask(() => callback(refusal(what, name)));
    },
  ]),
);
/** @type {Record<string, any>} */
const rejecting = Object.fromEntries(NAMES.map((what) => [what, (/** @type {string} */ name) => Promise.reject(refusal(what, name))]));

export const promises = { ...rejecting, lookup: lookupPromise, getServers: () => [], setServers: () => {}, getDefaultResultOrder: () => "verbatim", setDefaultResultOrder: () => {} };
export const { resolve, resolve4, resolve6, resolveAny, resolveCaa, resolveCname, resolveMx, resolveNaptr, resolveNs, resolvePtr, resolveSoa, resolveSrv, resolveTxt, reverse } = refusing;
export const getServers = () => [];
export const setServers = () => {};
export const getDefaultResultOrder = () => "verbatim";
export const setDefaultResultOrder = () => {};
export const NOTFOUND = "ENOTFOUND";
export const NODATA = "ENODATA";
export const SERVFAIL = "ESERVFAIL";
export const NOTIMP = "ENOTIMP";
export const ADDRCONFIG = 32;
export const ALL = 16;
export const V4MAPPED = 8;

export default {
  ADDRCONFIG, ALL, NODATA, NOTFOUND, NOTIMP, SERVFAIL, V4MAPPED, ...refusing, getDefaultResultOrder, getServers, lookup, promises, setDefaultResultOrder, setServers,
};
