/** Normalizing an algorithm (https://w3c.github.io/webcrypto/#algorithm-normalization). */
import { copyOfBytes, failWith, toKey } from "./crypto_key.js";
import { TypeError, isFinite, isUint8Array, objectKeys, toLowerCase, trunc } from "./primordials.js";
import { isObject, toDOMString } from "./webidl.js";

/** A member of a dictionary: its name, how it is converted, whether it must be there. @typedef {[string, string, boolean]} Member */

/** @type {Member[]} */
const NOTHING = [];
/** @type {Member[]} */
const HASHED = [["hash", "hash", true]];
/** @type {Member[]} */
const HMAC = [["hash", "hash", true], ["length", "unsigned long", false]];
/** @type {Member[]} */
const AES_LENGTH = [["length", "unsigned short", true]];
/** @type {Member[]} */
const CURVE = [["namedCurve", "string", true]];
/** @type {Member[]} */
const IV = [["iv", "bytes", true]];
/** @type {Member[]} */
const CTR = [["counter", "bytes", true], ["length", "octet", true]];
/** @type {Member[]} */
const GCM = [["additionalData", "bytes", false], ["iv", "bytes", true], ["tagLength", "octet", false]];
/** @type {Member[]} */
const OAEP = [["label", "bytes", false]];
/** @type {Member[]} */
const PSS = [["saltLength", "unsigned long", true]];
/** @type {Member[]} */
const PEER = [["public", "key", true]];
/** @type {Member[]} */
const HKDF = [["hash", "hash", true], ["info", "bytes", true], ["salt", "bytes", true]];
/** @type {Member[]} */
const PBKDF2 = [["hash", "hash", true], ["iterations", "unsigned long", true], ["salt", "bytes", true]];
/** @type {Member[]} */
const RSA = [["modulusLength", "unsigned long", true], ["publicExponent", "big integer", true], ["hash", "hash", true]];

const cipher = { "AES-CBC": IV, "AES-CTR": CTR, "AES-GCM": GCM, "RSA-OAEP": OAEP };
const signature = { ECDSA: HASHED, Ed25519: NOTHING, HMAC: NOTHING, "RSA-PSS": PSS, "RSASSA-PKCS1-v1_5": NOTHING };
const derivations = { ECDH: PEER, HKDF, PBKDF2, X25519: PEER };

/** What each operation can be done with. @type {Record<string, Record<string, Member[]>>} */
const OPERATIONS = {
  decrypt: cipher,
  deriveBits: derivations,
  // MD5 is Cloudflare's.
  digest: { MD5: NOTHING, "SHA-1": NOTHING, "SHA-256": NOTHING, "SHA-384": NOTHING, "SHA-512": NOTHING },
  encrypt: cipher,
  generateKey: {
    "AES-CBC": AES_LENGTH,
    "AES-CTR": AES_LENGTH,
    "AES-GCM": AES_LENGTH,
    "AES-KW": AES_LENGTH,
    ECDH: CURVE,
    ECDSA: CURVE,
    Ed25519: NOTHING,
    HMAC,
    "RSA-OAEP": RSA,
    "RSA-PSS": RSA,
    "RSASSA-PKCS1-v1_5": RSA,
    X25519: NOTHING,
  },
  "get key length": {
    "AES-CBC": AES_LENGTH,
    "AES-CTR": AES_LENGTH,
    "AES-GCM": AES_LENGTH,
    "AES-KW": AES_LENGTH,
    HKDF: NOTHING,
    HMAC,
    PBKDF2: NOTHING,
  },
  importKey: {
    "AES-CBC": NOTHING,
    "AES-CTR": NOTHING,
    "AES-GCM": NOTHING,
    "AES-KW": NOTHING,
    ECDH: CURVE,
    ECDSA: CURVE,
    Ed25519: NOTHING,
    HKDF: NOTHING,
    HMAC,
    PBKDF2: NOTHING,
    "RSA-OAEP": HASHED,
    "RSA-PSS": HASHED,
    "RSASSA-PKCS1-v1_5": HASHED,
    X25519: NOTHING,
  },
  sign: signature,
  unwrapKey: { "AES-KW": NOTHING },
  verify: signature,
  wrapKey: { "AES-KW": NOTHING },
};

/**
 * The algorithm with the parameters that an operation takes; undefined when the operation cannot be done with it.
 * @param {string} operation
 * @param {any} given an AlgorithmIdentifier
 * @returns {any}
 */
export function normalizeOptionally(operation, given) {
  const dictionary = isObject(given) ? given : { name: toDOMString(given) };
  const { name } = dictionary;
  if (name === undefined) throw new TypeError("The algorithm has no name.");
  const wanted = toLowerCase(toDOMString(name));
  const table = /** @type {Record<string, Member[]>} */ (OPERATIONS[operation]);
  const names = objectKeys(table);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    if (toLowerCase(name) !== wanted) continue;
    /** @type {any} */
    const result = { name };
    const members = /** @type {Member[]} */ (table[name]);
    for (let j = 0; j < members.length; j++) {
      const member = /** @type {Member} */ (members[j]);
      const value = dictionary[member[0]];
      if (value !== undefined) result[member[0]] = convert(value, member[1], `${name}: ${member[0]}`);
      else if (member[2]) throw new TypeError(`${name}: the parameter "${member[0]}" is missing.`);
    }
    return result;
  }
  return undefined;
}

/** @param {string} operation @param {any} given */
export function normalize(operation, given) {
  const algorithm = normalizeOptionally(operation, given);
  if (algorithm === undefined) {
    const name = isObject(given) ? given.name : given;
    failWith("NotSupportedError", `Unrecognized or unimplemented algorithm "${name}" requested for ${operation}.`);
  }
  return algorithm;
}

/** @param {any} value @param {string} kind @param {string} what */
function convert(value, kind, what) {
  switch (kind) {
    case "bytes":
      return copyOfBytes(value, what);
    case "octet":
      return toEnforced(value, 0xff, what);
    case "unsigned short":
      return toEnforced(value, 0xffff, what);
    case "unsigned long":
      return toEnforced(value, 0xffffffff, what);
    case "string":
      return toDOMString(value);
    case "key":
      return toKey(value, what);
    case "big integer":
      if (!isUint8Array(value)) throw new TypeError(`${what} is not a Uint8Array.`);
      return copyOfBytes(value, what);
    default: {
      const hash = normalize("digest", value);
      if (hash.name === "MD5") failWith("NotSupportedError", `${what}: MD5 can only be used for digests.`);
      return hash;
    }
  }
}

/** `[EnforceRange]`. @param {any} value @param {number} largest @param {string} what */
function toEnforced(value, largest, what) {
  const number = +value;
  if (!isFinite(number)) throw new TypeError(`${what} is not a finite number.`);
  const integer = trunc(number) + 0;
  if (integer < 0 || integer > largest) throw new TypeError(`${what} is out of range.`);
  return integer;
}
