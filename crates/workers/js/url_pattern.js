/** URLPattern (https://urlpattern.spec.whatwg.org/). The host reads patterns and inputs; the engine's RegExp matches. */
import host from "./host_object.js";
import { RegExp, TypeError, jsonParse, jsonStringify, regexpExec } from "./primordials.js";
import { defineInterface, isObject, toUSVString } from "./webidl.js";

const COMPONENTS = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];
const MEMBERS = ["baseURL", "hash", "hostname", "password", "pathname", "port", "protocol", "search", "username"];

/** @typedef {{pattern: string, regexp: RegExp, names: string[]}} Component */

/** What a URLPatternInput is for the host. @param {any} input */
function toInput(input) {
  if (!isObject(input) && input !== undefined && input !== null) return { text: toUSVString(input), isInit: false };
  /** @type {any} */
  const init = { __proto__: null };
  for (let i = 0; i < MEMBERS.length; i++) {
    const name = /** @type {string} */ (MEMBERS[i]);
    const value = input?.[name];
    if (value !== undefined) init[name] = toUSVString(value);
  }
  return { text: jsonStringify(init), isInit: true };
}

/**
 * Patterns are in the syntax of the flag `v`; what the host makes of a wildcard may be good for `u` only.
 * @param {string} source @param {string} flag @param {boolean} ignoreCase
 */
function compilePattern(source, flag, ignoreCase) {
  try {
    return new RegExp(source, ignoreCase ? `${flag}i` : flag);
  } catch {
    return undefined;
  }
}

export class URLPattern {
  /** In the order of COMPONENTS. @type {Component[]} */
  #components = [];
  #hasRegExpGroups = false;

  /** @param {any} [input] @param {any} [second] @param {any} [third] */
  constructor(input = undefined, second = undefined, third = undefined) {
    let base;
    let options = second;
    if (arguments.length > 2 || (second !== undefined && second !== null && !isObject(second))) {
      base = toUSVString(second);
      options = third;
    }
    const { text, isInit } = toInput(input);
    if (isInit && base !== undefined) throw new TypeError("URLPattern constructor: a base URL cannot be given beside a URLPatternInit.");
    const ignoreCase = !!options?.ignoreCase;
    const parsed = jsonParse(host.urlPatternParse(text, isInit, base, ignoreCase));
    for (let i = 0; i < COMPONENTS.length; i++) {
      const { patternString, regexpString, groupNameList } = parsed[/** @type {string} */ (COMPONENTS[i])];
      const regexp = compilePattern(regexpString, "v", ignoreCase) ?? compilePattern(regexpString, "u", ignoreCase);
      if (regexp === undefined) {
        throw new TypeError(`URLPattern constructor: the pattern "${patternString}" of the ${COMPONENTS[i]} is not valid.`);
      }
      this.#components[i] = { pattern: patternString, regexp, names: groupNameList };
    }
    this.#hasRegExpGroups = parsed.hasRegexpGroups;
  }

  /** @param {any} input @param {any} base @returns {{input: string, groups: RegExpExecArray}[] | null} one an component */
  #matches(input, base) {
    const { text, isInit } = toInput(input);
    if (isInit && base !== undefined) throw new TypeError("URLPattern: a base URL cannot be given beside a URLPatternInit.");
    const parts = host.urlPatternInput(text, isInit, base);
    if (parts === undefined) return null;
    /** @type {{input: string, groups: RegExpExecArray}[]} */
    const matches = [];
    for (let i = 0; i < COMPONENTS.length; i++) {
      const part = /** @type {string} */ (parts[i]);
      const groups = regexpExec(/** @type {Component} */ (this.#components[i]).regexp, part);
      if (groups === null) return null;
      matches[i] = { input: part, groups };
    }
    return matches;
  }

  /** @param {any} [input] @param {any} [baseURL] */
  test(input = undefined, baseURL = undefined) {
    return this.#matches(input, baseURL === undefined ? undefined : toUSVString(baseURL)) !== null;
  }

  /** @param {any} [input] @param {any} [baseURL] */
  exec(input = undefined, baseURL = undefined) {
    const base = baseURL === undefined ? undefined : toUSVString(baseURL);
    const matches = this.#matches(input, base);
    if (matches === null) return null;
    const { text, isInit } = toInput(input);
    const given = isInit ? { ...jsonParse(text) } : text;
    /** @type {any} */
    const result = { inputs: base === undefined ? [given] : [given, base] };
    for (let i = 0; i < COMPONENTS.length; i++) {
      const match = /** @type {{input: string, groups: RegExpExecArray}} */ (matches[i]);
      const { names } = /** @type {Component} */ (this.#components[i]);
      /** @type {Record<string, string | undefined>} */
      const groups = {};
      for (let j = 0; j < names.length; j++) groups[/** @type {string} */ (names[j])] = match.groups[j + 1];
      result[/** @type {string} */ (COMPONENTS[i])] = { input: match.input, groups };
    }
    return result;
  }

  /** @param {number} at */
  #pattern(at) {
    return /** @type {Component} */ (this.#components[at]).pattern;
  }

  get protocol() {
    return this.#pattern(0);
  }

  get username() {
    return this.#pattern(1);
  }

  get password() {
    return this.#pattern(2);
  }

  get hostname() {
    return this.#pattern(3);
  }

  get port() {
    return this.#pattern(4);
  }

  get pathname() {
    return this.#pattern(5);
  }

  get search() {
    return this.#pattern(6);
  }

  get hash() {
    return this.#pattern(7);
  }

  get hasRegExpGroups() {
    return this.#hasRegExpGroups;
  }
}
defineInterface(URLPattern);
