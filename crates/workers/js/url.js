/** URL (https://url.spec.whatwg.org/#url-class). */
import host from "./host_object.js";
import { TypeError, stringSlice } from "./primordials.js";
import { hashOf, hostOf, hostnameOf, originOf, parseUrl, passwordOf, pathnameOf, portOf, protocolOf, searchOf, usernameOf } from "./url_record.js";
import { newSearchParams, resetSearchParams } from "./url_search_params.js";
import { INTERNAL, defineInterface, isObject, requireArguments, toUSVString } from "./webidl.js";

/** @type {(value: any) => value is URL} */
export let isURL;
/** @type {(url: URL) => string} */
export let hrefOf;

/** @param {any} url @param {any} base */
function parse(url, base) {
  const text = toUSVString(url);
  return parseUrl(text, base === undefined ? undefined : toUSVString(base));
}

export class URL {
  /** @type {import("./url_record.js").UrlRecord} */
  #record;
  /** @type {import("./url_search_params.js").URLSearchParams | undefined} */
  #searchParams;

  /** @param {any} url @param {any} [base] */
  constructor(url, base = undefined) {
    requireArguments(arguments.length, 1, "URL constructor");
    const record = base === INTERNAL ? url : parse(url, base);
    if (record === undefined) throw new TypeError("Invalid URL string.");
    this.#record = record;
  }

  /** @param {any} url @param {any} [base] */
  static parse(url, base = undefined) {
    requireArguments(arguments.length, 1, "URL.parse");
    const record = parse(url, base);
    return record === undefined ? null : new URL(record, INTERNAL);
  }

  /** @param {any} url @param {any} [base] */
  static canParse(url, base = undefined) {
    requireArguments(arguments.length, 1, "URL.canParse");
    return parse(url, base) !== undefined;
  }

  /** @param {string} part @param {any} value */
  #set(part, value) {
    const record = host.urlSet(this.#record[0], part, toUSVString(value));
    if (record === undefined) return false;
    this.#record = record;
    return true;
  }

  #queryChanged() {
    if (this.#searchParams === undefined) return;
    const search = searchOf(this.#record);
    resetSearchParams(this.#searchParams, search === "" ? "" : stringSlice(search, 1));
  }

  get href() {
    return this.#record[0];
  }

  set href(value) {
    void this.#record;
    const record = parseUrl(toUSVString(value));
    if (record === undefined) throw new TypeError("Invalid URL string.");
    this.#record = record;
    this.#queryChanged();
  }

  get origin() {
    return originOf(this.#record);
  }

  get protocol() {
    return protocolOf(this.#record);
  }

  set protocol(value) {
    this.#set("protocol", value);
  }

  get username() {
    return usernameOf(this.#record);
  }

  set username(value) {
    this.#set("username", value);
  }

  get password() {
    return passwordOf(this.#record);
  }

  set password(value) {
    this.#set("password", value);
  }

  get host() {
    return hostOf(this.#record);
  }

  set host(value) {
    this.#set("host", value);
  }

  get hostname() {
    return hostnameOf(this.#record);
  }

  set hostname(value) {
    this.#set("hostname", value);
  }

  get port() {
    return portOf(this.#record);
  }

  set port(value) {
    this.#set("port", value);
  }

  get pathname() {
    return pathnameOf(this.#record);
  }

  set pathname(value) {
    this.#set("pathname", value);
  }

  get search() {
    return searchOf(this.#record);
  }

  set search(value) {
    if (this.#set("search", value)) this.#queryChanged();
  }

  get searchParams() {
    if (this.#searchParams === undefined) {
      const search = searchOf(this.#record);
      this.#searchParams = newSearchParams(search === "" ? "" : stringSlice(search, 1), (query) => {
        this.#set("search", query);
      });
    }
    return this.#searchParams;
  }

  get hash() {
    return hashOf(this.#record);
  }

  set hash(value) {
    this.#set("hash", value);
  }

  toString() {
    return this.#record[0];
  }

  toJSON() {
    return this.#record[0];
  }

  static {
    isURL = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #record in value);
    hrefOf = (url) => url.#record[0];
  }
}
defineInterface(URL);

/**
 * The URL of a request, serialized: absolute and without credentials.
 * @param {string} text
 * @returns {string}
 */
export function toRequestUrl(text) {
  const record = parseUrl(text);
  if (record === undefined) throw new TypeError(`Invalid URL: ${text}`);
  if (usernameOf(record) !== "" || passwordOf(record) !== "") {
    throw new TypeError(`The URL of a request must not have credentials; send an Authorization header instead: ${text}`);
  }
  return record[0];
}
