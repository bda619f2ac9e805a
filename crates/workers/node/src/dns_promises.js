/** `node:dns/promises`. */
import { promises } from "./dns.js";

export const {
  getDefaultResultOrder, getServers, lookup, resolve, resolve4, resolve6, resolveAny, resolveCaa, resolveCname, resolveMx, resolveNaptr, resolveNs,
  resolvePtr, resolveSoa, resolveSrv, resolveTxt, reverse, setDefaultResultOrder, setServers,
} = /** @type {any} */ (promises);
export default promises;
