/** URL (https://url.spec.whatwg.org/#url-class). Parsing is the host's. */
import host from "./host_object.js";
import { TypeError, stringSlice } from "./primordials.js";
import { newSearchParams, resetSearchParams } from "./url_search_params.js";
import { defineInterface, isObject, requireArguments, toUSVString } from "./webidl.js";

// Places in what the host gives.
const HREF = 0;
const PROTOCOL = 1;
const USERNAME = 2;
const PASSWORD = 3;
const HOST = 4;
const HOSTNAME = 5;
const PORT = 6;
const PATHNAME = 7;
const SEARCH = 8;
const HASH = 9;
const ORIGIN = 10;

/** @type {(value: any) => value is URL} */
export let isURL;
/** @type {(url: URL) => string} */
export let hrefOf;

/** @param {any} url @param {any} base */
function parse(url, base) {
  const text = toUSVString(url);
  return host.urlParse(text, base === undefined ? undefined : toUSVString(base));
}

export class URL {
  /** @type {string[]} */
  #parts = [];
  /** @type {import("./url_search_params.js").URLSearchParams | undefined} */
  #searchParams;

  /** @param {any} url @param {any} [base] */
  constructor(url, base = undefined) {
    requireArguments(arguments.length, 1, "URL constructor");
    const parts = parse(url, base);
    if (parts === undefined) throw new TypeError("Invalid URL string.");
    this.#parts = parts;
  }

  /** @param {any} url @param {any} [base] */
  static parse(url, base = undefined) {
    requireArguments(arguments.length, 1, "URL.parse");
    const parts = parse(url, base);
    if (parts === undefined) return null;
    const result = new URL("about:blank");
    result.#parts = parts;
    return result;
  }

  /** @param {any} url @param {any} [base] */
  static canParse(url, base = undefined) {
    requireArguments(arguments.length, 1, "URL.canParse");
    return parse(url, base) !== undefined;
  }

  /** @param {string} part @param {any} value */
  #set(part, value) {
    const parts = host.urlSet(this.#part(HREF), part, toUSVString(value));
    if (parts === undefined) return false;
    this.#parts = parts;
    return true;
  }

  /** @param {number} at @returns {string} */
  #part(at) {
    return /** @type {string} */ (this.#parts[at]);
  }

  #queryChanged() {
    if (this.#searchParams === undefined) return;
    const search = this.#part(SEARCH);
    resetSearchParams(this.#searchParams, search === "" ? "" : stringSlice(search, 1));
  }

  get href() {
    return this.#part(HREF);
  }

  set href(value) {
    const parts = host.urlParse(toUSVString(value), undefined);
    void this.#parts;
    if (parts === undefined) throw new TypeError("Invalid URL string.");
    this.#parts = parts;
    this.#queryChanged();
  }

  get origin() {
    return this.#part(ORIGIN);
  }

  get protocol() {
    return this.#part(PROTOCOL);
  }

  set protocol(value) {
    this.#set("protocol", value);
  }

  get username() {
    return this.#part(USERNAME);
  }

  set username(value) {
    this.#set("username", value);
  }

  get password() {
    return this.#part(PASSWORD);
  }

  set password(value) {
    this.#set("password", value);
  }

  get host() {
    return this.#part(HOST);
  }

  set host(value) {
    this.#set("host", value);
  }

  get hostname() {
    return this.#part(HOSTNAME);
  }

  set hostname(value) {
    this.#set("hostname", value);
  }

  get port() {
    return this.#part(PORT);
  }

  set port(value) {
    this.#set("port", value);
  }

  get pathname() {
    return this.#part(PATHNAME);
  }

  set pathname(value) {
    this.#set("pathname", value);
  }

  get search() {
    return this.#part(SEARCH);
  }

  set search(value) {
    if (this.#set("search", value)) this.#queryChanged();
  }

  get searchParams() {
    if (this.#searchParams === undefined) {
      const search = this.#part(SEARCH);
      this.#searchParams = newSearchParams(search === "" ? "" : stringSlice(search, 1), (query) => {
        this.#set("search", query);
      });
    }
    return this.#searchParams;
  }

  get hash() {
    return this.#part(HASH);
  }

  set hash(value) {
    this.#set("hash", value);
  }

  toString() {
    return this.#part(HREF);
  }

  toJSON() {
    return this.#part(HREF);
  }

  static {
    isURL = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #parts in value);
    hrefOf = (url) => /** @type {string} */ (url.#parts[HREF]);
  }
}
defineInterface(URL);

/**
 * The URL of a request, serialized: absolute and without credentials.
 * @param {string} text
 * @returns {string}
 */
export function toRequestUrl(text) {
  const parts = host.urlParse(text, undefined);
  if (parts === undefined) throw new TypeError(`Invalid URL: ${text}`);
  if (parts[USERNAME] !== "" || parts[PASSWORD] !== "") {
    throw new TypeError(`The URL of a request must not have credentials; send an Authorization header instead: ${text}`);
  }
  return /** @type {string} */ (parts[HREF]);
}
