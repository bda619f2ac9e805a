/** Signatures, and encryption with public keys, of `node:crypto`. */
import { Buffer } from "./buffer.js";
import { bytesOf, encoded, hashOf } from "./crypto_bytes.js";
import { later } from "./internal_callback.js";
import { derSignature, rawSignature } from "./crypto_der.js";
import { privateMaterial, publicMaterial } from "./crypto_keys.js";
import { coded, requireFunction } from "./errors.js";
import { host } from "./internal_host.js";
import { Writable } from "./stream.js";

export const constants = Object.freeze({
  RSA_PKCS1_PADDING: 1, RSA_NO_PADDING: 3, RSA_PKCS1_OAEP_PADDING: 4, RSA_PKCS1_PSS_PADDING: 6,
  RSA_PSS_SALTLEN_DIGEST: -1, RSA_PSS_SALTLEN_MAX_SIGN: -2, RSA_PSS_SALTLEN_AUTO: -2,
});
/** Bytes of each number of a signature. */
const SIZES = /** @type {Record<string, number>} */ ({ "P-256": 32, "P-384": 48, "P-521": 66 });
const FAILED = (/** @type {string} */ what) => coded(Error, "ERR_OSSL_EVP_OPERATION_FAILED", `${what} failed: the key, the padding and the algorithm do not fit together.`);

/** The salt of PSS in bytes; undefined for PKCS #1 v1.5. @param {any} key @param {{length: number}} hash @param {number} modulus in bytes */
function saltOf(key, hash, modulus) {
  if ((key?.padding ?? constants.RSA_PKCS1_PADDING) !== constants.RSA_PKCS1_PSS_PADDING) return undefined;
  const { saltLength = constants.RSA_PSS_SALTLEN_MAX_SIGN } = key;
  if (saltLength === constants.RSA_PSS_SALTLEN_DIGEST) return hash.length;
  return saltLength === constants.RSA_PSS_SALTLEN_MAX_SIGN ? modulus - hash.length - 2 : saltLength;
}

/** @param {any} algorithm @param {Uint8Array} data @param {any} key @returns {Uint8Array} */
function signatureOf(algorithm, data, key) {
  const { type, curve, bytes } = privateMaterial(key);
  if (type === "ed25519") return done(host.ecSign(curve, undefined, bytes, data));
  const hash = hashOf(algorithm ?? "sha256");
  if (type === "ec") {
    const raw = done(host.ecSign(curve, hash.name, bytes, data));
    return key?.dsaEncoding === "ieee-p1363" ? raw : derSignature(raw);
  }
  const [n] = /** @type {Uint8Array[]} */ (done(host.rsaParts(true, bytes)));
  return done(host.rsaSign(saltOf(key, hash, /** @type {Uint8Array} */ (n).length), hash.name, bytes, data));
}

/** @template T @param {T | undefined} result @returns {T} */
function done(result) {
  if (result === undefined) throw FAILED("Signing");
  return result;
}

/** @param {any} algorithm @param {Uint8Array} data @param {any} key @param {Uint8Array} signature */
function verifies(algorithm, data, key, signature) {
  const { type, curve, bytes } = publicMaterial(key);
  if (type === "ed25519") return host.ecVerify(curve, undefined, bytes, signature, data);
  const hash = hashOf(algorithm ?? "sha256");
  if (type === "ec") {
    const raw = key?.dsaEncoding === "ieee-p1363" ? signature : rawSignature(signature, /** @type {number} */ (SIZES[curve]));
    return raw !== undefined && host.ecVerify(curve, hash.name, bytes, raw, data);
  }
  const [n] = /** @type {Uint8Array[]} */ (done(host.rsaParts(false, bytes)));
  return host.rsaVerify(saltOf(key, hash, /** @type {Uint8Array} */ (n).length), hash.name, bytes, signature, data);
}

/** @param {any} algorithm @param {any} data @param {any} key @param {any} [callback] */
export function sign(algorithm, data, key, callback) {
  const work = () => encoded(signatureOf(algorithm, bytesOf(data, "data"), key));
  if (callback === undefined) return work();
  requireFunction(callback, "callback");
  return later(callback, work);
}
/** @param {any} algorithm @param {any} data @param {any} key @param {any} signature @param {any} [callback] */
export function verify(algorithm, data, key, signature, callback) {
  const work = () => verifies(algorithm, bytesOf(data, "data"), key, bytesOf(signature, "signature"));
  if (callback === undefined) return work();
  requireFunction(callback, "callback");
  return later(callback, work);
}

/** Takes data in pieces. The signature schemes take it whole, so it is kept until then. */
class DataSink extends Writable {
  /** @type {Uint8Array[]} */
  #pieces = [];
  /** @param {string} algorithm @param {any} [options] */
  constructor(algorithm, options) {
    super(options);
    hashOf(algorithm);
    this.algorithm = algorithm;
  }

  /** @param {any} data @param {any} [encoding] */
  update(data, encoding) {
    this.#pieces.push(bytesOf(data, "data", encoding).slice());
    return this;
  }

  /** @param {any} chunk @param {any} encoding @param {(error?: any) => void} next */
  _write(chunk, encoding, next) {
    this.update(chunk, encoding);
    next();
  }

  get data() {
    return Buffer.concat(this.#pieces);
  }
}

export class Sign extends DataSink {
  /** @param {any} key @param {any} [encoding] */
  sign(key, encoding) {
    return encoded(signatureOf(this.algorithm, this.data, key), encoding);
  }
}
export class Verify extends DataSink {
  /** @param {any} key @param {any} signature @param {any} [encoding] */
  verify(key, signature, encoding) {
    return verifies(this.algorithm, this.data, key, bytesOf(signature, "signature", encoding));
  }
}
/** @param {string} algorithm @param {any} [options] */
export const createSign = (algorithm, options) => new Sign(algorithm, options);
/** @param {string} algorithm @param {any} [options] */
export const createVerify = (algorithm, options) => new Verify(algorithm, options);

/** OAEP, the only padding that is safe to decrypt with. @param {boolean} encrypt @param {any} key @param {any} data */
function oaep(encrypt, key, data) {
  const padding = key?.padding ?? constants.RSA_PKCS1_OAEP_PADDING;
  if (padding !== constants.RSA_PKCS1_OAEP_PADDING) throw coded(Error, "ERR_OSSL_UNSUPPORTED", "Only RSA_PKCS1_OAEP_PADDING is supported for encryption.");
  const { bytes } = encrypt ? publicMaterial(key) : privateMaterial(key);
  const label = key?.oaepLabel === undefined ? new Uint8Array() : bytesOf(key.oaepLabel, "key.oaepLabel");
  const result = host.rsaOaep(encrypt, hashOf(key?.oaepHash ?? "sha1").name, label, bytes, bytesOf(data, "buffer"));
  if (result === undefined) throw FAILED(encrypt ? "Encryption" : "Decryption");
  return encoded(result);
}
/** @param {any} key @param {any} data */
export const publicEncrypt = (key, data) => oaep(true, key, data);
/** @param {any} key @param {any} data */
export const privateDecrypt = (key, data) => oaep(false, key, data);
