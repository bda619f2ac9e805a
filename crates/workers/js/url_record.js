/** A parsed URL (https://url.spec.whatwg.org/#concept-url): its serialization, and where in it each component is. Parsing is the host's. */
import host from "./host_object.js";
import { stringSlice } from "./primordials.js";

// After the serialization: places in it, -1 for a component that is not there (`urlParse` in `host.d.ts`).
const PROTOCOL_END = 1;
const USERNAME_END = 2;
const HOST_START = 3;
const HOST_END = 4;
const PORT = 5;
const PATHNAME_START = 6;
const SEARCH_START = 7;
const HASH_START = 8;

/** @typedef {[href: string, ...places: number[]]} UrlRecord */

/** @param {string} url @param {string} [base] @returns {UrlRecord | undefined} */
export function parseUrl(url, base = undefined) {
  return host.urlParse(url, base);
}

/** @param {UrlRecord} record @param {number} which @returns {number} */
function place(record, which) {
  return /** @type {number} */ (record[which]);
}

/** @param {UrlRecord} record @param {number} from @param {number} to */
function part(record, from, to) {
  return from < to ? stringSlice(record[0], from, to) : "";
}

/** @param {UrlRecord} record */
export function protocolOf(record) {
  return part(record, 0, place(record, PROTOCOL_END));
}

/** @param {UrlRecord} record */
export function usernameOf(record) {
  return part(record, place(record, PROTOCOL_END) + 2, place(record, USERNAME_END));
}

/** @param {UrlRecord} record */
export function passwordOf(record) {
  return part(record, place(record, USERNAME_END) + 1, place(record, HOST_START));
}

/** Where the host begins, after the `@`. @param {UrlRecord} record */
function hostStart(record) {
  const start = place(record, HOST_START);
  return start < place(record, HOST_END) && record[0][start] === "@" ? start + 1 : start;
}

/** With the port. @param {UrlRecord} record */
export function hostOf(record) {
  const start = hostStart(record);
  // After an empty host there may be the `/.` that keeps a path from looking like one.
  return start >= place(record, HOST_END) ? "" : part(record, start, place(record, PATHNAME_START));
}

/** @param {UrlRecord} record */
export function hostnameOf(record) {
  return part(record, hostStart(record), place(record, HOST_END));
}

/** @param {UrlRecord} record */
export function portOf(record) {
  return place(record, PORT) < 0 ? "" : part(record, place(record, HOST_END) + 1, place(record, PATHNAME_START));
}

/** @param {UrlRecord} record */
function hashStart(record) {
  const start = place(record, HASH_START);
  return start < 0 ? record[0].length : start;
}

/** @param {UrlRecord} record */
export function pathnameOf(record) {
  const search = place(record, SEARCH_START);
  return part(record, place(record, PATHNAME_START), search < 0 ? hashStart(record) : search);
}

/** With its `?`, unless there is nothing after it. @param {UrlRecord} record */
export function searchOf(record) {
  const start = place(record, SEARCH_START);
  const end = hashStart(record);
  return start < 0 || end - start <= 1 ? "" : part(record, start, end);
}

/** With its `#`, unless there is nothing after it. @param {UrlRecord} record */
export function hashOf(record) {
  const start = place(record, HASH_START);
  const end = record[0].length;
  return start < 0 || end - start <= 1 ? "" : part(record, start, end);
}

/** https://url.spec.whatwg.org/#concept-url-origin, serialized. @param {UrlRecord} record @returns {string} */
export function originOf(record) {
  const protocol = protocolOf(record);
  switch (protocol) {
    case "ftp:":
    case "http:":
    case "https:":
    case "ws:":
    case "wss:":
      return `${protocol}//${hostOf(record)}`;
    case "blob:": {
      const inner = parseUrl(pathnameOf(record));
      if (inner === undefined) return "null";
      const scheme = protocolOf(inner);
      return scheme === "http:" || scheme === "https:" ? originOf(inner) : "null";
    }
    default:
      return "null";
  }
}

/** What is requested: without the fragment. @param {UrlRecord} record */
export function withoutFragment(record) {
  return part(record, 0, hashStart(record));
}
