/**
 * Headers (https://fetch.spec.whatwg.org/#headers-class). The list behind is flat, as the host gives and takes it: names in
 * lower case and values in turn. It is changed in place, so that a Request or Response and its Headers share one.
 */
import {
  Map,
  mapGet,
  mapSet,
  mapSize,
  SymbolIterator,
  TypeError,
  arraySort,
  charCodeAt,
  create,
  defineProperty,
  ownKeys,
  propertyIsEnumerable,
  regexpExec,
  stringSlice,
  toLowerCase,
  apply,
} from "./primordials.js";
import { BOTH, KEYS, VALUES, newPairIterator } from "./pair_iterator.js";
import { defineInterface, forEachOfSequence, isObject, requireArguments, toByteString, toFunction } from "./webidl.js";

export const NOT_A_TOKEN = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
const NOT_A_VALUE = /[\0\r\n]|[^\0-\xff]/;

/** Names that were found valid, in lower case: most Workers use few. @type {Map<string, string>} */
const knownNames = new Map();

/** @param {string} text @param {string} what */
function checkedName(text, what) {
  const known = mapGet(knownNames, text);
  if (known !== undefined) return known;
  if (text.length === 0 || regexpExec(NOT_A_TOKEN, text) !== null) throw new TypeError(`${what}: '${text}' is not a valid header name.`);
  const name = toLowerCase(text);
  if (mapSize(knownNames) < 512) mapSet(knownNames, text, name);
  return name;
}

/** @param {number} code */
export const isSpace = (code) => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;

/** Without HTTP white space around it. @param {string} text */
export function trimmed(text) {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(charCodeAt(text, from))) from += 1;
  while (to > from && isSpace(charCodeAt(text, to - 1))) to -= 1;
  return from === 0 && to === text.length ? text : stringSlice(text, from, to);
}

/** @param {any} value @param {string} name */
function checkedValue(value, name) {
  const text = trimmed(typeof value === "string" ? value : toByteString(value, "The header value"));
  if (regexpExec(NOT_A_VALUE, text) !== null) {
    toByteString(text, `The value of the header '${name}'`);
    throw new TypeError(`The value of the header '${name}' is not valid: it has a line break or a null character.`);
  }
  return text;
}

/** @param {any} value @param {string} what */
function nameOf(value, what) {
  return checkedName(typeof value === "string" ? value : toByteString(value, "The header name"), what);
}

// === flat lists ===

/** @param {FlatHeaders} list @param {string} name in lower case @returns {string | null} */
export function listGet(list, name) {
  let found = null;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) found = found === null ? /** @type {string} */ (list[i + 1]) : `${found}, ${list[i + 1]}`;
  }
  return found;
}

/** @param {FlatHeaders} list @param {string} name in lower case */
export function listHas(list, name) {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
  return false;
}

/** @param {FlatHeaders} list @param {string} name @param {string} value */
export function listAppend(list, name, value) {
  list[list.length] = name;
  list[list.length] = value;
}

/** @param {FlatHeaders} list @param {string} name */
export function listDelete(list, name) {
  let to = 0;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) continue;
    list[to] = /** @type {string} */ (list[i]);
    list[to + 1] = /** @type {string} */ (list[i + 1]);
    to += 2;
  }
  list.length = to;
}

/** @param {FlatHeaders} list @param {string} name @param {string} value */
export function listSet(list, name, value) {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== name) continue;
    list[i + 1] = value;
    let to = i + 2;
    for (let j = to; j < list.length; j += 2) {
      if (list[j] === name) continue;
      list[to] = /** @type {string} */ (list[j]);
      list[to + 1] = /** @type {string} */ (list[j + 1]);
      to += 2;
    }
    list.length = to;
    return;
  }
  listAppend(list, name, value);
}

/**
 * Adds what a HeadersInit says to a list.
 * @param {FlatHeaders} list
 * @param {any} init
 */
export function fillList(list, init) {
  if (!isObject(init)) throw new TypeError("Headers: the init is not an object.");
  const method = init[SymbolIterator];
  if (method === headersIterator && isHeaders(init)) {
    // What iterating it would give, in another order, which does not show.
    const other = listOf(init);
    for (let i = 0; i < other.length; i++) list[list.length] = /** @type {string} */ (other[i]);
    return;
  }
  if (method !== undefined && method !== null) {
    forEachOfSequence(init, "Headers: the init", (pair) => {
      /** @type {any[]} */
      const both = [];
      forEachOfSequence(pair, "Headers: an entry of the init", (item) => {
        both[both.length] = item;
      });
      if (both.length !== 2) throw new TypeError("Headers: an entry of the init does not have exactly two elements.");
      const name = nameOf(both[0], "Headers");
      listAppend(list, name, checkedValue(both[1], name));
    });
    return;
  }
  const keys = ownKeys(init);
  for (let i = 0; i < keys.length; i++) {
    const key = /** @type {string | symbol} */ (keys[i]);
    if (!propertyIsEnumerable(init, key)) continue;
    const name = nameOf(key, "Headers");
    listAppend(list, name, checkedValue(init[key], name));
  }
}

/**
 * Sorted, and combined but for Set-Cookie: what iteration gives.
 * @param {FlatHeaders} list
 * @returns {string[]} names and values in turn
 */
function sortedAndCombined(list) {
  /** @type {Record<string, boolean>} */
  const seen = create(null);
  /** @type {string[]} */
  const names = [];
  for (let i = 0; i < list.length; i += 2) {
    const name = /** @type {string} */ (list[i]);
    if (seen[name]) continue;
    seen[name] = true;
    names[names.length] = name;
  }
  arraySort(names);
  /** @type {string[]} */
  const result = [];
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    if (name !== "set-cookie") {
      listAppend(result, name, /** @type {string} */ (listGet(list, name)));
      continue;
    }
    for (let j = 0; j < list.length; j += 2) if (list[j] === name) listAppend(result, name, /** @type {string} */ (list[j + 1]));
  }
  return result;
}

// === the class ===

/** @type {(value: any) => value is Headers} */
export let isHeaders;
/** @type {(headers: Headers) => FlatHeaders} */
export let listOf;
/** @type {(list: FlatHeaders, immutable: boolean) => Headers} */
export let newHeaders;
/** @type {(headers: Headers) => string[]} */
let entriesOf;

export class Headers {
  /** @type {FlatHeaders} */
  #list = [];
  #immutable = false;
  /** What iteration gives, until something changes. @type {string[] | undefined} */
  #sorted;

  /** @param {any} [init] */
  constructor(init = undefined) {
    if (init !== undefined) fillList(this.#list, init);
  }

  /** @param {string} name @param {string} value */
  append(name, value) {
    const list = this.#list;
    requireArguments(arguments.length, 2, "Headers.append");
    const key = nameOf(name, "Headers.append");
    const text = checkedValue(value, key);
    this.#changing();
    listAppend(list, key, text);
  }

  /** @param {string} name */
  delete(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "Headers.delete");
    const key = nameOf(name, "Headers.delete");
    this.#changing();
    listDelete(list, key);
  }

  /** @param {string} name */
  get(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "Headers.get");
    return listGet(list, nameOf(name, "Headers.get"));
  }

  getSetCookie() {
    const list = this.#list;
    /** @type {string[]} */
    const values = [];
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === "set-cookie") values[values.length] = /** @type {string} */ (list[i + 1]);
    }
    return values;
  }

  /** Cloudflare's older form of `getSetCookie`. @param {string} name */
  getAll(name) {
    void this.#list;
    requireArguments(arguments.length, 1, "Headers.getAll");
    if (nameOf(name, "Headers.getAll") !== "set-cookie") {
      throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    }
    return this.getSetCookie();
  }

  /** @param {string} name */
  has(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "Headers.has");
    return listHas(list, nameOf(name, "Headers.has"));
  }

  /** @param {string} name @param {string} value */
  set(name, value) {
    const list = this.#list;
    requireArguments(arguments.length, 2, "Headers.set");
    const key = nameOf(name, "Headers.set");
    const text = checkedValue(value, key);
    this.#changing();
    listSet(list, key, text);
  }

  entries() {
    void this.#list;
    return newPairIterator("Headers", this, entriesOf, BOTH);
  }

  keys() {
    void this.#list;
    return newPairIterator("Headers", this, entriesOf, KEYS);
  }

  values() {
    void this.#list;
    return newPairIterator("Headers", this, entriesOf, VALUES);
  }

  /** @param {any} callback @param {any} [thisArg] */
  forEach(callback, thisArg = undefined) {
    void this.#list;
    requireArguments(arguments.length, 1, "Headers.forEach");
    toFunction(callback, "Headers.forEach: the callback");
    for (let i = 0; i < entriesOf(this).length; i += 2) {
      const entries = entriesOf(this);
      apply(callback, thisArg, [entries[i + 1], entries[i], this]);
    }
  }

  #changing() {
    if (this.#immutable) throw new TypeError("Can't modify immutable headers.");
    this.#sorted = undefined;
  }

  static {
    isHeaders = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #list in value);
    listOf = (headers) => headers.#list;
    newHeaders = (list, immutable) => {
      const headers = new Headers();
      headers.#list = list;
      headers.#immutable = immutable;
      return headers;
    };
    entriesOf = (headers) => {
      // The list is shared with the Request or Response, which changes it only before it gives the Headers out.
      return (headers.#sorted ??= sortedAndCombined(headers.#list));
    };
  }
}

const headersIterator = Headers.prototype.entries;
defineInterface(Headers);
defineProperty(Headers.prototype, SymbolIterator, {
  value: headersIterator,
  writable: true,
  enumerable: false,
  configurable: true,
});
