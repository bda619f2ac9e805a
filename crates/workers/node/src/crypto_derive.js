/** Keys from passwords and secrets: `pbkdf2`, `scrypt`, `hkdf` of `node:crypto`. */
import { bytesOf, encoded, hashOf } from "./crypto_bytes.js";
import { later } from "./internal_callback.js";
import { secretOf } from "./crypto_keys.js";
import { scryptOf } from "./crypto_scrypt.js";
import { coded, outOfRange, requireFunction, requireInteger } from "./errors.js";
import { host } from "./internal_host.js";

/** @param {any} password @param {any} salt @param {number} iterations @param {number} length in bytes @param {string} digest */
export function pbkdf2Sync(password, salt, iterations, length, digest) {
  const hash = hashOf(digest);
  requireInteger(iterations, "iterations", 1, 2 ** 31 - 1);
  requireInteger(length, "keylen", 0, 2 ** 31 - 1);
  const key = host.pbkdf2(hash.name, bytesOf(password, "password"), bytesOf(salt, "salt"), iterations, length);
  if (key === undefined) throw coded(Error, "ERR_CRYPTO_PBKDF2_ERROR", `PBKDF2 of ${length} bytes with ${digest} failed.`);
  return encoded(key);
}
/** @param {any} password @param {any} salt @param {number} iterations @param {number} length @param {string} digest @param {any} callback */
export function pbkdf2(password, salt, iterations, length, digest, callback) {
  requireFunction(callback, "callback");
  later(callback, () => pbkdf2Sync(password, salt, iterations, length, digest));
}

/** @param {any} password @param {any} salt @param {number} length in bytes @param {any} [options] */
export function scryptSync(password, salt, length, options = {}) {
  const cost = options.N ?? options.cost ?? 16384;
  const block = options.r ?? options.blockSize ?? 8;
  const parallel = options.p ?? options.parallelization ?? 1;
  const most = options.maxmem ?? 32 * 1024 * 1024;
  requireInteger(length, "keylen", 0, 2 ** 31 - 1);
  requireInteger(cost, "N", 2, 2 ** 31);
  if ((cost & (cost - 1)) !== 0) throw outOfRange("N", "a power of two", cost);
  requireInteger(block, "r", 1, 2 ** 30);
  requireInteger(parallel, "p", 1, 2 ** 30);
  if (128 * cost * block > most) {
    throw coded(RangeError, "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", `Invalid scrypt params: memory limit exceeded (${128 * cost * block} bytes are needed, maxmem is ${most})`);
  }
  return encoded(scryptOf(bytesOf(password, "password"), bytesOf(salt, "salt"), cost, block, parallel, length));
}
/** @param {any} password @param {any} salt @param {number} length @param {any} options @param {any} [callback] */
export function scrypt(password, salt, length, options, callback = options) {
  requireFunction(callback, "callback");
  later(callback, () => scryptSync(password, salt, length, options === callback ? {} : options));
}

/** @param {string} digest @param {any} key @param {any} salt @param {any} info @param {number} length in bytes */
export function hkdfSync(digest, key, salt, info, length) {
  const hash = hashOf(digest);
  requireInteger(length, "length", 0, hash.length * 255);
  const derived = host.hkdf(hash.name, secretOf(key, "ikm"), bytesOf(salt, "salt"), bytesOf(info, "info"), length);
  if (derived === undefined) throw coded(Error, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
  return derived.buffer.slice(derived.byteOffset, derived.byteOffset + derived.byteLength);
}
/** @param {string} digest @param {any} key @param {any} salt @param {any} info @param {number} length @param {any} callback */
export function hkdf(digest, key, salt, info, length, callback) {
  requireFunction(callback, "callback");
  later(callback, () => hkdfSync(digest, key, salt, info, length));
}
