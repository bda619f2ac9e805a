/** URLSearchParams and application/x-www-form-urlencoded (https://url.spec.whatwg.org/#urlsearchparams). */
import { utf8Encode } from "./bytes.js";
import host from "./host_object.js";
import { BOTH, KEYS, VALUES, newPairIterator } from "./pair_iterator.js";
import {
  SymbolIterator,
  TypeError,
  Uint8Array,
  apply,
  arraySort,
  charCodeAt,
  defineProperty,
  fromCharCode,
  getOwnPropertyDescriptor,
  ownKeys,
  regexpExec,
  replaceEvery,
  splitAt,
  stringIndexOf,
  stringSlice,
  typedArrayBuffer,
  typedArrayByteLength,
} from "./primordials.js";
import { defineInterface, forEachOfSequence, isObject, requireArguments, toFunction, toUSVString } from "./webidl.js";

/** @type {(value: any) => value is URLSearchParams} */
export let isURLSearchParams;
/** @type {(params: URLSearchParams) => string} */
export let serializeSearchParams;
/** Params of a URL; `changed` is told the new query. @type {(query: string, changed: (query: string) => void) => URLSearchParams} */
export let newSearchParams;
/** The URL's query has been set. @type {(params: URLSearchParams, query: string) => void} */
export let resetSearchParams;
/** @type {(params: URLSearchParams) => string[]} */
let searchPairsOf;

export class URLSearchParams {
  /** Names and values in turn. @type {string[]} */
  #list = [];
  /** @type {((query: string) => void) | undefined} */
  #changed;

  /** @param {any} [init] */
  constructor(init = undefined) {
    if (init === undefined) return;
    const list = this.#list;
    if (isObject(init)) {
      const method = init[SymbolIterator];
      if (method !== undefined && method !== null) {
        forEachOfSequence(init, "URLSearchParams: the init", (pair) => {
          /** @type {string[]} */
          const both = [];
          forEachOfSequence(pair, "URLSearchParams: an entry of the init", (item) => {
            both[both.length] = toUSVString(item);
          });
          if (both.length !== 2) {
            throw new TypeError("URLSearchParams: an entry of the init does not have exactly two elements.");
          }
          list[list.length] = /** @type {string} */ (both[0]);
          list[list.length] = /** @type {string} */ (both[1]);
        });
        return;
      }
      fillFromRecord(list, init);
      return;
    }
    const text = toUSVString(init);
    this.#list = parseUrlEncoded(text.length > 0 && charCodeAt(text, 0) === 0x3f ? stringSlice(text, 1) : text);
  }

  get size() {
    return this.#list.length / 2;
  }

  /** @param {string} name @param {string} value */
  append(name, value) {
    const list = this.#list;
    requireArguments(arguments.length, 2, "URLSearchParams.append");
    const key = toUSVString(name);
    const text = toUSVString(value);
    list[list.length] = key;
    list[list.length] = text;
    this.#update();
  }

  /** @param {string} name @param {any} [value] */
  delete(name, value = undefined) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "URLSearchParams.delete");
    const key = toUSVString(name);
    const only = value === undefined ? undefined : toUSVString(value);
    let to = 0;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === key && (only === undefined || list[i + 1] === only)) continue;
      list[to] = /** @type {string} */ (list[i]);
      list[to + 1] = /** @type {string} */ (list[i + 1]);
      to += 2;
    }
    list.length = to;
    this.#update();
  }

  /** @param {string} name */
  get(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "URLSearchParams.get");
    const key = toUSVString(name);
    for (let i = 0; i < list.length; i += 2) if (list[i] === key) return /** @type {string} */ (list[i + 1]);
    return null;
  }

  /** @param {string} name */
  getAll(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "URLSearchParams.getAll");
    const key = toUSVString(name);
    /** @type {string[]} */
    const values = [];
    for (let i = 0; i < list.length; i += 2) if (list[i] === key) values[values.length] = /** @type {string} */ (list[i + 1]);
    return values;
  }

  /** @param {string} name @param {any} [value] */
  has(name, value = undefined) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "URLSearchParams.has");
    const key = toUSVString(name);
    const only = value === undefined ? undefined : toUSVString(value);
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === key && (only === undefined || list[i + 1] === only)) return true;
    }
    return false;
  }

  /** @param {string} name @param {string} value */
  set(name, value) {
    const list = this.#list;
    requireArguments(arguments.length, 2, "URLSearchParams.set");
    const key = toUSVString(name);
    const text = toUSVString(value);
    let found = false;
    let to = 0;
    for (let i = 0; i < list.length; i += 2) {
      let its = /** @type {string} */ (list[i + 1]);
      if (list[i] === key) {
        if (found) continue;
        found = true;
        its = text;
      }
      list[to] = /** @type {string} */ (list[i]);
      list[to + 1] = its;
      to += 2;
    }
    list.length = to;
    if (!found) {
      list[to] = key;
      list[to + 1] = text;
    }
    this.#update();
  }

  sort() {
    const list = this.#list;
    /** @type {{name: string, value: string}[]} */
    const pairs = [];
    for (let i = 0; i < list.length; i += 2) {
      pairs[pairs.length] = { name: /** @type {string} */ (list[i]), value: /** @type {string} */ (list[i + 1]) };
    }
    // By code units; Array.prototype.sort is stable.
    arraySort(pairs, (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    for (let i = 0; i < pairs.length; i++) {
      const pair = /** @type {{name: string, value: string}} */ (pairs[i]);
      list[2 * i] = pair.name;
      list[2 * i + 1] = pair.value;
    }
    this.#update();
  }

  toString() {
    return serializePairs(this.#list);
  }

  entries() {
    void this.#list;
    return newPairIterator("URLSearchParams", this, searchPairsOf, BOTH);
  }

  keys() {
    void this.#list;
    return newPairIterator("URLSearchParams", this, searchPairsOf, KEYS);
  }

  values() {
    void this.#list;
    return newPairIterator("URLSearchParams", this, searchPairsOf, VALUES);
  }

  /** @param {any} callback @param {any} [thisArg] */
  forEach(callback, thisArg = undefined) {
    void this.#list;
    requireArguments(arguments.length, 1, "URLSearchParams.forEach");
    toFunction(callback, "URLSearchParams.forEach: the callback");
    for (let i = 0; i < this.#list.length; i += 2) apply(callback, thisArg, [this.#list[i + 1], this.#list[i], this]);
  }

  #update() {
    this.#changed?.(serializePairs(this.#list));
  }

  static {
    isURLSearchParams = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #list in value);
    serializeSearchParams = (params) => serializePairs(params.#list);
    searchPairsOf = (params) => params.#list;
    newSearchParams = (query, changed) => {
      const params = new URLSearchParams();
      params.#list = parseUrlEncoded(query);
      params.#changed = changed;
      return params;
    };
    resetSearchParams = (params, query) => {
      params.#list = parseUrlEncoded(query);
    };
  }
}
defineInterface(URLSearchParams);
defineProperty(URLSearchParams.prototype, SymbolIterator, {
  value: URLSearchParams.prototype.entries,
  writable: true,
  enumerable: false,
  configurable: true,
});

/** @param {string[]} list @param {any} record */
function fillFromRecord(list, record) {
  const keys = ownKeys(record);
  for (let i = 0; i < keys.length; i++) {
    const key = /** @type {string | symbol} */ (keys[i]);
    const descriptor = getOwnPropertyDescriptor(record, key);
    if (descriptor === undefined || !descriptor.enumerable) continue;
    const name = toUSVString(key);
    const value = toUSVString(record[key]);
    // Two keys may become the same name; the later one wins in its place.
    let at = 0;
    while (at < list.length && list[at] !== name) at += 2;
    list[at] = name;
    list[at + 1] = value;
  }
}

// === the format ===

/** @param {number} code a hexadecimal digit's, or anything @returns {number} -1 when it is none */
function hexDigit(code) {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Percent-decodes a text to text. @param {string} text */
function percentDecode(text) {
  if (stringIndexOf(text, "%") < 0) return text;
  const bytes = utf8Encode(text);
  const length = typedArrayByteLength(bytes);
  let to = 0;
  for (let i = 0; i < length; i++) {
    let byte = /** @type {number} */ (bytes[i]);
    if (byte === 0x25 && i + 2 < length) {
      const high = hexDigit(/** @type {number} */ (bytes[i + 1]));
      const low = hexDigit(/** @type {number} */ (bytes[i + 2]));
      if (high >= 0 && low >= 0) {
        byte = high * 16 + low;
        i += 2;
      }
    }
    bytes[to] = byte;
    to += 1;
  }
  // UTF-8 decode without BOM: a byte order mark stays.
  return host.utf8Decode(new Uint8Array(typedArrayBuffer(bytes), 0, to), true);
}

/** @param {string} text @returns {string[]} names and values in turn */
export function parseUrlEncoded(text) {
  /** @type {string[]} */
  const list = [];
  if (text === "") return list;
  const parts = splitAt(text, "&");
  for (let i = 0; i < parts.length; i++) {
    const part = replaceEvery(/** @type {string} */ (parts[i]), "+", " ");
    if (part === "") continue;
    const at = stringIndexOf(part, "=");
    list[list.length] = percentDecode(at < 0 ? part : stringSlice(part, 0, at));
    list[list.length] = at < 0 ? "" : percentDecode(stringSlice(part, at + 1));
  }
  return list;
}

const NEEDS_ENCODING = /[^*\-.0-9A-Z_a-z]/;
const HEX = "0123456789ABCDEF";

/** @param {string} text */
function percentEncode(text) {
  if (regexpExec(NEEDS_ENCODING, text) === null) return text;
  const bytes = utf8Encode(text);
  const length = typedArrayByteLength(bytes);
  let result = "";
  for (let i = 0; i < length; i++) {
    const byte = /** @type {number} */ (bytes[i]);
    if (byte === 0x20) result += "+";
    else if (
      (byte >= 0x30 && byte <= 0x39) ||
      (byte >= 0x41 && byte <= 0x5a) ||
      (byte >= 0x61 && byte <= 0x7a) ||
      byte === 0x2a ||
      byte === 0x2d ||
      byte === 0x2e ||
      byte === 0x5f
    ) {
      result += fromCharCode(byte);
    } else {
      result += `%${HEX[byte >> 4]}${HEX[byte & 15]}`;
    }
  }
  return result;
}

/** @param {string[]} list */
export function serializePairs(list) {
  let text = "";
  for (let i = 0; i < list.length; i += 2) {
    if (i > 0) text += "&";
    text += `${percentEncode(/** @type {string} */ (list[i]))}=${percentEncode(/** @type {string} */ (list[i + 1]))}`;
  }
  return text;
}
