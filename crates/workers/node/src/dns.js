/**
 * `node:dns` (https://nodejs.org/api/dns.html), by DNS over HTTPS in its JSON form, as Workers at Cloudflare do it. What is asked goes out by `fetch()`,
 * under the same rules. `setServers` takes URLs of other servers.
 */
import { coded, invalidArgType, invalidArgValue, requireFunction, requireString } from "./errors.js";
import { isIP } from "./net.js";

const CLOUDFLARE = "https://cloudflare-dns.com/dns-query";
/** The types of records, by number (RFC 1035 and the registry of IANA). @type {Record<string, number>} */
const TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, NAPTR: 35, CAA: 257 };
/** Response codes, by number. @type {Record<number, string>} */
const CODES = { 1: "EFORMERR", 2: "ESERVFAIL", 3: "ENOTFOUND", 4: "ENOTIMP", 5: "EREFUSED" };

export const NODATA = "ENODATA";
export const FORMERR = "EFORMERR";
export const SERVFAIL = "ESERVFAIL";
export const NOTFOUND = "ENOTFOUND";
export const NOTIMP = "ENOTIMP";
export const REFUSED = "EREFUSED";
export const BADQUERY = "EBADQUERY";
export const BADNAME = "EBADNAME";
export const BADRESP = "EBADRESP";
export const CONNREFUSED = "ECONNREFUSED";
export const TIMEOUT = "ETIMEOUT";
export const CANCELLED = "ECANCELLED";
export const ADDRCONFIG = 32;
export const ALL = 16;
export const V4MAPPED = 8;

/** @type {string[]} */
let servers = [CLOUDFLARE];
/** @type {"verbatim" | "ipv4first" | "ipv6first"} */
let order = "verbatim";

/** @param {string} code @param {string} syscall @param {string} hostname @param {string} [detail] */
const failure = (code, syscall, hostname, detail = undefined) =>
  Object.assign(coded(Error, code, `${syscall} ${code} ${hostname}${detail === undefined ? "" : `: ${detail}`}`), { errno: undefined, syscall, hostname });

/** The text of a quoted record: its parts without quotes. @param {string} data */
const partsOf = (data) => (data.startsWith('"') ? [...data.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => /** @type {string} */ (part).replace(/\\(.)/g, "$1")) : [data]);
/** @param {string} name */
const withoutDot = (name) => name.replace(/\.$/, "");

/** What an answer of each type is in Node.js. @type {Record<string, (data: string, ttl: number) => any>} */
const READERS = {
  A: (address) => address,
  AAAA: (address) => address,
  CNAME: withoutDot,
  NS: withoutDot,
  PTR: withoutDot,
  TXT: partsOf,
  MX: (data) => {
    const [priority, exchange = ""] = data.split(/\s+/);
    return { exchange: withoutDot(exchange), priority: Number(priority) };
  },
  SRV: (data) => {
    const [priority, weight, port, name = ""] = data.split(/\s+/);
    return { name: withoutDot(name), port: Number(port), priority: Number(priority), weight: Number(weight) };
  },
  SOA: (data) => {
    const [nsname = "", hostmaster = "", ...numbers] = data.split(/\s+/);
    const [serial, refresh, retry, expire, minttl] = numbers.map(Number);
    return { nsname: withoutDot(nsname), hostmaster: withoutDot(hostmaster), serial, refresh, retry, expire, minttl };
  },
  NAPTR: (data) => {
    const [, rank, preference, flags, service, regexp, replacement = ""] = /^(\d+) (\d+) "?([^" ]*)"? "?([^" ]*)"? "?([^"]*?)"? (\S*)$/.exec(data) ?? [];
    return { flags, service, regexp, replacement: withoutDot(replacement), order: Number(rank), preference: Number(preference) };
  },
  CAA: (data) => {
    const [, critical, tag = "", value] = /^(\d+) (\w+) "?(.*?)"?$/.exec(data) ?? [];
    return { critical: Number(critical), [tag]: value };
  },
};

/** Asks a server. @param {string} name @param {string} type @param {string} syscall @param {string[]} chosen @returns {Promise<{data: string, TTL: number}[]>} */
async function ask(name, type, syscall, chosen) {
  let last = failure("ECONNREFUSED", syscall, name, "no server is set");
  for (const server of chosen) {
    const url = new URL(server);
    url.searchParams.set("name", name);
    url.searchParams.set("type", type);
    try {
      const response = await fetch(url, { headers: { accept: "application/dns-json" } });
      if (!response.ok) throw new Error(`${url.host} answered ${response.status}`);
      const { Status: status, Answer: answers = [] } = /** @type {any} */ (await response.json());
      if (status !== 0) throw failure(CODES[status] ?? "ESERVFAIL", syscall, name);
      return answers.filter((/** @type {any} */ answer) => answer.type === TYPES[type]);
    } catch (error) {
      if (/** @type {any} */ (error).syscall !== undefined) throw error;
      last = Object.assign(failure("ECONNREFUSED", syscall, name, `${/** @type {any} */ (error).message}`), { cause: error });
    }
  }
  throw last;
}

/** @param {string} name @param {string} type @param {{ttl?: boolean}} options @param {string[]} chosen */
async function query(name, type, options, chosen) {
  const syscall = `query${type === "AAAA" ? "Aaaa" : `${type[0]}${type.slice(1).toLowerCase()}`}`;
  const answers = await ask(name, type, syscall, chosen);
  if (answers.length === 0) throw failure("ENODATA", syscall, name);
  const read = /** @type {(data: string, ttl: number) => any} */ (READERS[type]);
  const values = answers.map(({ data, TTL }) => (options.ttl && (type === "A" || type === "AAAA") ? { address: data, ttl: TTL } : read(data, TTL)));
  return type === "SOA" ? values[0] : values;
}

/** The name under which an address is looked up in reverse. @param {string} address */
function reverseName(address) {
  if (isIP(address) === 4) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const [head = "", tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = tail === undefined ? before : [...before, ...Array.from({ length: 8 - before.length - after.length }, () => "0"), ...after];
  return `${[...groups.map((group) => group.padStart(4, "0")).join("")].reverse().join(".")}.ip6.arpa`;
}

/** @param {string} name @param {any} options */
async function lookupPromise(name, options) {
  const { family = 0, all = false } = typeof options === "number" ? { family: options } : (options ?? {});
  const wanted = family === "IPv4" ? 4 : family === "IPv6" ? 6 : family;
  if (wanted !== 0 && wanted !== 4 && wanted !== 6) throw invalidArgValue("family", family, "must be one of: 0, 4, 6");
  if (typeof name !== "string" && name) throw invalidArgType("hostname", "of type string", name);
  /** @type {{address: string, family: number}[]} */
  let found = [];
  if (!name) return all ? [] : { address: null, family: wanted === 6 ? 6 : 4 };
  if (isIP(name)) found = [{ address: name, family: isIP(name) }];
  else if (name === "localhost") found = [{ address: "127.0.0.1", family: 4 }, { address: "::1", family: 6 }].filter((one) => wanted === 0 || one.family === wanted);
  else {
    const families = wanted === 0 ? (options?.order === "ipv6first" || order === "ipv6first" ? [6, 4] : [4, 6]) : [wanted];
    const answers = await Promise.allSettled(families.map((one) => ask(name, one === 4 ? "A" : "AAAA", "getaddrinfo", servers)));
    for (const [index, answer] of answers.entries()) {
      if (answer.status === "fulfilled") for (const { data } of answer.value) found.push({ address: data, family: /** @type {number} */ (families[index]) });
    }
    const refused = answers.find((answer) => answer.status === "rejected");
    if (found.length === 0) throw refused?.status === "rejected" ? refused.reason : failure("ENOTFOUND", "getaddrinfo", name);
  }
  if (found.length === 0) throw failure("ENOTFOUND", "getaddrinfo", name);
  return all ? found : found[0];
}

/** @param {string} name @param {any} options @param {any} [callback] */
export function lookup(name, options, callback = options) {
  requireFunction(callback, "callback");
  const chosen = options === callback ? {} : options;
  lookupPromise(name, chosen).then((/** @type {any} */ found) => (chosen?.all ? callback(null, found) : callback(null, found.address, found.family)), callback);
}

/** The methods that ask, for the servers that `chosen` gives. @param {() => string[]} chosen @returns {Record<string, (...values: any[]) => Promise<any>>} */
function asking(chosen) {
  const of = (/** @type {string} */ type) => async (/** @type {string} */ name, /** @type {any} */ options = {}) => {
    requireString(name, "name");
    return query(name, type, options, chosen());
  };
  const methods = {
    resolve4: of("A"), resolve6: of("AAAA"), resolveCaa: of("CAA"), resolveCname: of("CNAME"), resolveMx: of("MX"), resolveNaptr: of("NAPTR"), resolveNs: of("NS"),
    resolvePtr: of("PTR"), resolveSoa: of("SOA"), resolveSrv: of("SRV"), resolveTxt: of("TXT"),
  };
  return {
    ...methods,
    async resolve(/** @type {string} */ name, type = "A") {
      requireString(name, "name");
      if (TYPES[type] === undefined) throw invalidArgValue("rrtype", type);
      return query(name, type, {}, chosen());
    },
    async resolveAny(/** @type {string} */ name) {
      throw failure("ENOTIMP", "queryAny", name, "DNS servers do not answer questions for everything any more (RFC 8482)");
    },
    async reverse(/** @type {string} */ address) {
      if (isIP(address) === 0) throw failure("EINVAL", "getHostByAddr", address);
      return query(reverseName(address), "PTR", {}, chosen());
    },
  };
}

/** With callbacks. @param {Record<string, (...values: any[]) => Promise<any>>} methods @returns {Record<string, any>} */
const withCallbacks = (methods) =>
  Object.fromEntries(
    Object.entries(methods).map(([name, method]) => [
      name,
      (/** @type {any[]} */ ...values) => {
        const callback = values.pop();
        requireFunction(callback, "callback");
        method(...values).then((result) => callback(null, result), callback);
      },
    ]),
  );

/** @param {unknown} given */
function requireServers(given) {
  if (!Array.isArray(given)) throw invalidArgType("servers", "an instance of Array", given);
  for (const server of given) if (!URL.canParse(server)) throw invalidArgValue("servers", server, "must be URLs of servers for DNS over HTTPS (application/dns-json), which is what Workers can reach");
  return given.map(String);
}

const asked = asking(() => servers);
const called = withCallbacks(asked);
export const { resolve, resolve4, resolve6, resolveAny, resolveCaa, resolveCname, resolveMx, resolveNaptr, resolveNs, resolvePtr, resolveSoa, resolveSrv, resolveTxt, reverse } = called;
export const getServers = () => [...servers];
/** @param {string[]} given */
export function setServers(given) {
  servers = requireServers(given);
}
export const getDefaultResultOrder = () => order;
/** @param {any} chosen */
export function setDefaultResultOrder(chosen) {
  if (!["verbatim", "ipv4first", "ipv6first"].includes(chosen)) throw invalidArgValue("dnsOrder", chosen, "must be one of: verbatim, ipv4first, ipv6first");
  order = chosen;
}

/** Asks servers of its own. @param {(methods: ReturnType<typeof asking>) => Record<string, any>} shape @returns {any} */
const resolverClass = (shape) =>
  class Resolver {
    #servers = servers;
    constructor() {
      Object.assign(this, shape(asking(() => this.#servers)));
    }

    getServers() {
      return [...this.#servers];
    }

    /** @param {string[]} given */
    setServers(given) {
      this.#servers = requireServers(given);
    }

    setLocalAddress() {}
    cancel() {}
  };
export const Resolver = resolverClass(withCallbacks);

const constants = { ADDRCONFIG, ALL, BADNAME, BADQUERY, BADRESP, CANCELLED, CONNREFUSED, FORMERR, NODATA, NOTFOUND, NOTIMP, REFUSED, SERVFAIL, TIMEOUT, V4MAPPED };
export const promises = {
  ...asked, ...constants, Resolver: resolverClass((methods) => methods), getDefaultResultOrder, getServers, lookup: lookupPromise, setDefaultResultOrder, setServers,
};
export default { ...called, ...constants, Resolver, getDefaultResultOrder, getServers, lookup, promises, setDefaultResultOrder, setServers };
