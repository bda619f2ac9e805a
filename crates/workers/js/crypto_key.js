/** CryptoKey (https://w3c.github.io/webcrypto/#cryptokey-interface). The bytes of a key live in it and nowhere else. */
import { DOMException } from "./dom_exception.js";
import { TypeError, arrayIndexOf, objectKeys, typedArrayBuffer, typedArraySlice } from "./primordials.js";
import { addSerializable } from "./structured_clone.js";
import { INTERNAL, defineInterface, forEachOfSequence, illegalConstructor, isObject, toEnum, viewOf } from "./webidl.js";

/** What a key is made of, out of reach of scripts. `data` is in the form that `host.d.ts` says.
 * @typedef {object} KeyParts
 * @property {"secret" | "public" | "private"} type
 * @property {boolean} extractable
 * @property {any} algorithm
 * @property {string[]} usages
 * @property {Uint8Array} data
 */

/** All usages, in the order in which keys list theirs. */
const USAGES = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];

/** @type {(value: any) => value is CryptoKey} */
export let isCryptoKey;
/** @type {(key: CryptoKey) => KeyParts} */
export let partsOfKey;

export class CryptoKey {
  /** @type {KeyParts} */
  #parts;
  /** What scripts see, and may change. @type {any} */
  #algorithm;
  /** @type {string[] | undefined} */
  #usages;

  /** @param {any} key @param {any} parts */
  constructor(key = undefined, parts = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#parts = parts;
  }

  get type() {
    return this.#parts.type;
  }

  get extractable() {
    return this.#parts.extractable;
  }

  get algorithm() {
    return (this.#algorithm ??= copyAlgorithm(this.#parts.algorithm));
  }

  get usages() {
    if (this.#usages === undefined) {
      this.#usages = [];
      const { usages } = this.#parts;
      for (let i = 0; i < usages.length; i++) this.#usages[i] = /** @type {string} */ (usages[i]);
    }
    return this.#usages;
  }

  static {
    isCryptoKey = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #parts in value);
    partsOfKey = (key) => key.#parts;
  }
}
defineInterface(CryptoKey);
// What a key is made of never changes, so that it can be shared.
addSerializable({ isOne: isCryptoKey, copy: (key) => new CryptoKey(INTERNAL, partsOfKey(key)) });

/** @param {any} algorithm */
function copyAlgorithm(algorithm) {
  /** @type {any} */
  const copy = {};
  const names = objectKeys(algorithm);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    const value = algorithm[name];
    if (name === "hash") copy.hash = { name: value.name };
    else copy[name] = name === "publicExponent" ? typedArraySlice(value) : value;
  }
  return copy;
}

/**
 * @param {"secret" | "public" | "private"} type
 * @param {boolean} extractable
 * @param {any} algorithm
 * @param {string[]} usages
 * @param {Uint8Array} data
 */
export function newKey(type, extractable, algorithm, usages, data) {
  /** @type {string[]} */
  const ordered = [];
  for (let i = 0; i < USAGES.length; i++) {
    const usage = /** @type {string} */ (USAGES[i]);
    if (arrayIndexOf(usages, usage) >= 0) ordered[ordered.length] = usage;
  }
  return new CryptoKey(INTERNAL, { type, extractable, algorithm, usages: ordered, data });
}

/** `sequence<KeyUsage>`. @param {any} value @param {string} where */
export function toUsages(value, where) {
  /** @type {string[]} */
  const usages = [];
  forEachOfSequence(value, `${where}: the key usages`, (item) => {
    usages[usages.length] = toEnum(item, USAGES, `${where}: the key usages`);
  });
  return usages;
}

/** @param {any} value @param {string} where @returns {CryptoKey} */
export function toKey(value, where) {
  if (!isCryptoKey(value)) throw new TypeError(`${where}: the key is not a CryptoKey.`);
  return value;
}

/** Fails when a usage is not among the allowed ones. @param {string[]} usages @param {string[]} allowed */
export function checkUsages(usages, allowed) {
  for (let i = 0; i < usages.length; i++) {
    if (arrayIndexOf(allowed, /** @type {string} */ (usages[i])) < 0) {
      failWith("SyntaxError", `The key usage "${usages[i]}" is not one that a key of this kind can have.`);
    }
  }
}

/** Those of the usages that are allowed. @param {string[]} usages @param {string[]} allowed */
export function onlyUsages(usages, allowed) {
  /** @type {string[]} */
  const result = [];
  for (let i = 0; i < usages.length; i++) {
    const usage = /** @type {string} */ (usages[i]);
    if (arrayIndexOf(allowed, usage) >= 0) result[result.length] = usage;
  }
  return result;
}

/** @param {string} name @param {string} message @returns {never} */
export function failWith(name, message) {
  throw new DOMException(message, name);
}

/** What an operation of the host gave, or an error. @template T @param {T | undefined} result @param {string} name @param {string} message @returns {T} */
export function orFail(result, name, message) {
  if (result === undefined) failWith(name, message);
  return result;
}

/** A copy of the bytes of a BufferSource. @param {any} value @param {string} what */
export function copyOfBytes(value, what) {
  return typedArraySlice(viewOf(value, what));
}

/** An ArrayBuffer of bytes that have their buffer for themselves. @param {Uint8Array} bytes */
export function bufferOf(bytes) {
  return typedArrayBuffer(bytes);
}
