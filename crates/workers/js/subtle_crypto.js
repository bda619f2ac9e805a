/** SubtleCrypto (https://w3c.github.io/webcrypto/#subtlecrypto-interface), with Cloudflare's `timingSafeEqual`. */
import { ecdh, ecdsa, ed25519, x25519 } from "./crypto_ec.js";
import { toJwk } from "./crypto_jwk.js";
import { bufferOf, copyOfBytes, failWith, isCryptoKey, partsOfKey, toKey, toUsages } from "./crypto_key.js";
import { normalize, normalizeOptionally } from "./crypto_params.js";
import { rsaOaep, rsaPkcs1, rsaPss } from "./crypto_rsa.js";
import { aesCbc, aesCtr, aesGcm, aesKw, hkdf, hmac, pbkdf2 } from "./crypto_secret.js";
import { utf8Decode, utf8Encode } from "./bytes.js";
import host from "./host_object.js";
import { requireInvocation } from "./invocation.js";
import { TypeError, arrayIndexOf, jsonParse, jsonStringify, promiseReject, promiseResolve, typedArrayLength } from "./primordials.js";
import { INTERNAL, defineInterface, illegalConstructor, isBufferSource, isObject, requireArguments, toEnum, viewOf } from "./webidl.js";

/**
 * @typedef {import("./crypto_key.js").CryptoKey} CryptoKey
 * @typedef {import("./crypto_key.js").KeyParts} KeyParts
 */

/** By name. @type {Record<string, any>} */
const ALGORITHMS = {
  __proto__: null,
  "AES-CBC": aesCbc,
  "AES-CTR": aesCtr,
  "AES-GCM": aesGcm,
  "AES-KW": aesKw,
  ECDH: ecdh,
  ECDSA: ecdsa,
  Ed25519: ed25519,
  HKDF: hkdf,
  HMAC: hmac,
  PBKDF2: pbkdf2,
  "RSA-OAEP": rsaOaep,
  "RSA-PSS": rsaPss,
  "RSASSA-PKCS1-v1_5": rsaPkcs1,
  X25519: x25519,
};

const KEY_FORMATS = ["raw", "pkcs8", "spki", "jwk"];

/** An operation's result as a promise. @template T @param {() => T} work @returns {Promise<T>} */
function promiseFor(work) {
  try {
    return promiseResolve(work());
  } catch (error) {
    return promiseReject(error);
  }
}

/**
 * The parts of a key that may be used so.
 * @param {CryptoKey} key @param {string} name of the algorithm @param {string} usage @param {string} [other] another usage that will do
 */
function usableKey(key, name, usage, other = usage) {
  const parts = partsOfKey(key);
  if (parts.algorithm.name !== name) failWith("InvalidAccessError", `The key is one of ${parts.algorithm.name}, not of ${name}.`);
  if (arrayIndexOf(parts.usages, usage) < 0 && arrayIndexOf(parts.usages, other) < 0) {
    failWith("InvalidAccessError", `The key's usages do not include "${usage}".`);
  }
  return parts;
}

/** @param {CryptoKey} key secret or private ones must be good for something */
function checkUsable(key) {
  const { type, usages } = partsOfKey(key);
  if (type !== "public" && usages.length === 0) failWith("SyntaxError", "The key would have no usages.");
  return key;
}

/** @param {string} format @param {any} data @param {any} algorithm @param {boolean} extractable @param {string[]} usages */
function importKey(format, data, algorithm, extractable, usages) {
  return checkUsable(ALGORITHMS[algorithm.name].importKey(format, data, algorithm, extractable, usages));
}

/** @param {string} format @param {CryptoKey} key bytes, or a JWK */
function exportKey(format, key) {
  const parts = partsOfKey(key);
  const algorithm = ALGORITHMS[parts.algorithm.name];
  if (algorithm.exportKey === undefined) failWith("NotSupportedError", `A key of ${parts.algorithm.name} cannot be exported.`);
  if (!parts.extractable) failWith("InvalidAccessError", "The key is not extractable.");
  return algorithm.exportKey(format, parts);
}

/** @param {any} algorithm @param {KeyParts} parts @param {number | null} length */
function deriveBits(algorithm, parts, length) {
  return ALGORITHMS[algorithm.name].deriveBits(algorithm, parts, length);
}

/** @param {any} value @returns {number | null} `[EnforceRange]? unsigned long` */
function toBitLength(value) {
  if (value === undefined || value === null) return null;
  const number = +value;
  if (!(number > -1 && number < 4294967296)) throw new TypeError("SubtleCrypto.deriveBits: the length is out of range.");
  return number - (number % 1) + 0;
}

export class SubtleCrypto {
  #self = true;

  /** @param {any} key */
  constructor(key = undefined) {
    if (key !== INTERNAL) illegalConstructor();
  }

  /** @param {any} algorithm @param {any} key @param {any} data */
  encrypt(algorithm, key, data) {
    return promiseFor(() => this.#cipher("encrypt", arguments.length, algorithm, key, data));
  }

  /** @param {any} algorithm @param {any} key @param {any} data */
  decrypt(algorithm, key, data) {
    return promiseFor(() => this.#cipher("decrypt", arguments.length, algorithm, key, data));
  }

  /** @param {"encrypt" | "decrypt"} operation @param {number} given @param {any} algorithm @param {any} key @param {any} data */
  #cipher(operation, given, algorithm, key, data) {
    requireArguments(given, 3, `SubtleCrypto.${operation}`);
    toKey(key, `SubtleCrypto.${operation}`);
    const bytes = copyOfBytes(data, `SubtleCrypto.${operation}: the data`);
    const normalized = normalize(operation, algorithm);
    const parts = usableKey(key, normalized.name, operation);
    return bufferOf(ALGORITHMS[normalized.name][operation](normalized, parts, bytes));
  }

  /** @param {any} algorithm @param {any} key @param {any} data */
  sign(algorithm, key, data) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 3, "SubtleCrypto.sign");
      toKey(key, "SubtleCrypto.sign");
      const bytes = copyOfBytes(data, "SubtleCrypto.sign: the data");
      const normalized = normalize("sign", algorithm);
      const parts = usableKey(key, normalized.name, "sign");
      return bufferOf(ALGORITHMS[normalized.name].sign(normalized, parts, bytes));
    });
  }

  /** @param {any} algorithm @param {any} key @param {any} signature @param {any} data */
  verify(algorithm, key, signature, data) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 4, "SubtleCrypto.verify");
      toKey(key, "SubtleCrypto.verify");
      const given = copyOfBytes(signature, "SubtleCrypto.verify: the signature");
      const bytes = copyOfBytes(data, "SubtleCrypto.verify: the data");
      const normalized = normalize("verify", algorithm);
      const parts = usableKey(key, normalized.name, "verify");
      return ALGORITHMS[normalized.name].verify(normalized, parts, given, bytes);
    });
  }

  /** @param {any} algorithm @param {any} data */
  digest(algorithm, data) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 2, "SubtleCrypto.digest");
      const bytes = viewOf(data, "SubtleCrypto.digest: the data");
      return bufferOf(host.digest(normalize("digest", algorithm).name, bytes));
    });
  }

  /** @param {any} algorithm @param {any} extractable @param {any} keyUsages */
  generateKey(algorithm, extractable, keyUsages) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 3, "SubtleCrypto.generateKey");
      const usages = toUsages(keyUsages, "SubtleCrypto.generateKey");
      const normalized = normalize("generateKey", algorithm);
      requireInvocation();
      const result = ALGORITHMS[normalized.name].generateKey(normalized, !!extractable, usages);
      checkUsable(isCryptoKey(result) ? result : result.privateKey);
      return result;
    });
  }

  /** @param {any} algorithm @param {any} baseKey @param {any} derivedKeyType @param {any} extractable @param {any} keyUsages */
  deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 5, "SubtleCrypto.deriveKey");
      toKey(baseKey, "SubtleCrypto.deriveKey");
      const usages = toUsages(keyUsages, "SubtleCrypto.deriveKey");
      const normalized = normalize("deriveBits", algorithm);
      const imported = normalize("importKey", derivedKeyType);
      const measured = normalize("get key length", derivedKeyType);
      const parts = usableKey(baseKey, normalized.name, "deriveKey");
      const length = ALGORITHMS[measured.name].keyLength(measured);
      return importKey("raw", deriveBits(normalized, parts, length), imported, !!extractable, usages);
    });
  }

  /** @param {any} algorithm @param {any} baseKey @param {any} [length] */
  deriveBits(algorithm, baseKey, length = null) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 2, "SubtleCrypto.deriveBits");
      toKey(baseKey, "SubtleCrypto.deriveBits");
      const bits = toBitLength(length);
      const normalized = normalize("deriveBits", algorithm);
      return bufferOf(deriveBits(normalized, usableKey(baseKey, normalized.name, "deriveBits"), bits));
    });
  }

  /** @param {any} format @param {any} keyData @param {any} algorithm @param {any} extractable @param {any} keyUsages */
  importKey(format, keyData, algorithm, extractable, keyUsages) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 5, "SubtleCrypto.importKey");
      const how = toEnum(format, KEY_FORMATS, "SubtleCrypto.importKey: the format");
      const isBytes = isBufferSource(keyData);
      if (!isBytes && keyData !== undefined && keyData !== null && !isObject(keyData)) {
        throw new TypeError("SubtleCrypto.importKey: the key data is neither a BufferSource nor a JsonWebKey.");
      }
      const given = isBytes ? copyOfBytes(keyData, "SubtleCrypto.importKey: the key data") : toJwk(keyData);
      const usages = toUsages(keyUsages, "SubtleCrypto.importKey");
      const normalized = normalize("importKey", algorithm);
      if ((how === "jwk") === isBytes) {
        throw new TypeError(`SubtleCrypto.importKey: the key data of the format "${how}" must be ${isBytes ? "a JsonWebKey" : "bytes"}.`);
      }
      return importKey(how, given, normalized, !!extractable, usages);
    });
  }

  /** @param {any} format @param {any} key */
  exportKey(format, key) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 2, "SubtleCrypto.exportKey");
      const how = toEnum(format, KEY_FORMATS, "SubtleCrypto.exportKey: the format");
      const exported = exportKey(how, toKey(key, "SubtleCrypto.exportKey"));
      return how === "jwk" ? exported : bufferOf(exported);
    });
  }

  /** @param {any} format @param {any} key @param {any} wrappingKey @param {any} wrapAlgorithm */
  wrapKey(format, key, wrappingKey, wrapAlgorithm) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 4, "SubtleCrypto.wrapKey");
      const how = toEnum(format, KEY_FORMATS, "SubtleCrypto.wrapKey: the format");
      toKey(key, "SubtleCrypto.wrapKey");
      toKey(wrappingKey, "SubtleCrypto.wrapKey");
      const normalized = normalizeOptionally("wrapKey", wrapAlgorithm) ?? normalize("encrypt", wrapAlgorithm);
      const parts = usableKey(wrappingKey, normalized.name, "wrapKey");
      const exported = exportKey(how, key);
      const bytes = how === "jwk" ? utf8Encode(jsonStringify(exported)) : exported;
      const algorithm = ALGORITHMS[normalized.name];
      return bufferOf((algorithm.wrapKey ?? algorithm.encrypt)(normalized, parts, bytes));
    });
  }

  /**
   * @param {any} format @param {any} wrappedKey @param {any} unwrappingKey @param {any} unwrapAlgorithm
   * @param {any} unwrappedKeyAlgorithm @param {any} extractable @param {any} keyUsages
   */
  unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
    return promiseFor(() => {
      void this.#self;
      requireArguments(arguments.length, 7, "SubtleCrypto.unwrapKey");
      const how = toEnum(format, KEY_FORMATS, "SubtleCrypto.unwrapKey: the format");
      const wrapped = copyOfBytes(wrappedKey, "SubtleCrypto.unwrapKey: the wrapped key");
      toKey(unwrappingKey, "SubtleCrypto.unwrapKey");
      const usages = toUsages(keyUsages, "SubtleCrypto.unwrapKey");
      const normalized = normalizeOptionally("unwrapKey", unwrapAlgorithm) ?? normalize("decrypt", unwrapAlgorithm);
      const imported = normalize("importKey", unwrappedKeyAlgorithm);
      const parts = usableKey(unwrappingKey, normalized.name, "unwrapKey");
      const algorithm = ALGORITHMS[normalized.name];
      const bytes = (algorithm.unwrapKey ?? algorithm.decrypt)(normalized, parts, wrapped);
      return importKey(how, how === "jwk" ? parseJwk(bytes) : bytes, imported, !!extractable, usages);
    });
  }

  /** Cloudflare's. @param {any} a @param {any} b */
  timingSafeEqual(a, b) {
    void this.#self;
    requireArguments(arguments.length, 2, "SubtleCrypto.timingSafeEqual");
    const first = viewOf(a, "SubtleCrypto.timingSafeEqual: the first argument");
    const second = viewOf(b, "SubtleCrypto.timingSafeEqual: the second argument");
    if (typedArrayLength(first) !== typedArrayLength(second)) throw new TypeError("Input buffers must have the same byte length");
    return host.timingSafeEqual(first, second);
  }
}
defineInterface(SubtleCrypto);

/** @param {Uint8Array} bytes */
function parseJwk(bytes) {
  try {
    return toJwk(jsonParse(utf8Decode(bytes)));
  } catch {
    failWith("DataError", "The unwrapped bytes are no JSON Web Key.");
  }
}

export const subtle = new SubtleCrypto(INTERNAL);
