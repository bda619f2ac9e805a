/** JSON Web Keys (RFC 7517). */
import { failWith } from "./crypto_key.js";
import host from "./host_object.js";
import {
  Array,
  Uint8Array,
  arrayIndexOf,
  arrayJoin,
  arraySlice,
  charCodeAt,
  fromCharCode,
  regexpExec,
  replaceEvery,
  typedArrayLength,
} from "./primordials.js";
import { forEachOfSequence, toDOMString, toDictionary } from "./webidl.js";

/** @typedef {Record<string, any>} Jwk */

const STRINGS = ["alg", "crv", "d", "dp", "dq", "e", "k", "kty", "n", "p", "q", "qi", "use", "x", "y"];

/** JsonWebKey, the dictionary. @param {any} value @returns {Jwk} */
export function toJwk(value) {
  const dictionary = toDictionary(value, "The key data");
  /** @type {any} */
  const jwk = { __proto__: null };
  for (let i = 0; i < STRINGS.length; i++) {
    const name = /** @type {string} */ (STRINGS[i]);
    const member = dictionary[name];
    if (member !== undefined) jwk[name] = toDOMString(member);
  }
  const { ext, key_ops, oth } = dictionary;
  if (ext !== undefined) jwk.ext = !!ext;
  if (key_ops !== undefined) {
    jwk.key_ops = [];
    forEachOfSequence(key_ops, "key_ops", (item) => {
      jwk.key_ops[jwk.key_ops.length] = toDOMString(item);
    });
  }
  if (oth !== undefined) jwk.oth = oth;
  return jwk;
}

/**
 * What every kind of key checks.
 * @param {Jwk} jwk
 * @param {string} kty
 * @param {string} use
 * @param {string[]} usages
 * @param {boolean} extractable
 */
export function checkJwk(jwk, kty, use, usages, extractable) {
  if (jwk.kty !== kty) failWith("DataError", `The JSON Web Key's "kty" is not "${kty}".`);
  if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) failWith("DataError", `The JSON Web Key's "use" is not "${use}".`);
  const { key_ops } = jwk;
  if (key_ops !== undefined) {
    for (let i = 0; i < key_ops.length; i++) {
      if (arrayIndexOf(key_ops, key_ops[i]) !== i) failWith("DataError", 'The JSON Web Key\'s "key_ops" lists an operation twice.');
    }
    for (let i = 0; i < usages.length; i++) {
      if (arrayIndexOf(key_ops, usages[i]) < 0) failWith("DataError", `The JSON Web Key's "key_ops" does not allow "${usages[i]}".`);
    }
  }
  if (jwk.ext === false && extractable) failWith("DataError", 'The JSON Web Key\'s "ext" is false: it cannot become an extractable key.');
}

/** A JWK as scripts get it. @param {Jwk} members @param {import("./crypto_key.js").KeyParts} parts */
export function newJwk(members, parts) {
  return { ...members, key_ops: arraySlice(parts.usages), ext: parts.extractable };
}

/** @param {Uint8Array} bytes */
export function toBase64url(bytes) {
  const characters = new Array(typedArrayLength(bytes));
  for (let i = 0; i < characters.length; i++) characters[i] = fromCharCode(/** @type {number} */ (bytes[i]));
  const text = /** @type {string} */ (host.btoa(arrayJoin(characters, "")));
  return replaceEvery(replaceEvery(replaceEvery(text, "+", "-"), "/", "_"), "=", "");
}

const BASE64URL = /^[A-Za-z0-9_-]*$/;

/** The bytes of a member. @param {Jwk} jwk @param {string} name @returns {Uint8Array} */
export function jwkBytes(jwk, name) {
  const text = jwk[name];
  if (text === undefined) failWith("DataError", `The JSON Web Key has no "${name}".`);
  const decoded = regexpExec(BASE64URL, text) === null ? undefined : host.atob(replaceEvery(replaceEvery(text, "-", "+"), "_", "/"));
  if (decoded === undefined) failWith("DataError", `The JSON Web Key's "${name}" is not base64url.`);
  const bytes = new Uint8Array(decoded.length);
  for (let i = 0; i < decoded.length; i++) bytes[i] = charCodeAt(decoded, i);
  return bytes;
}
