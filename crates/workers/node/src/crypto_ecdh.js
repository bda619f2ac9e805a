/** `crypto.createECDH`. */
import { Buffer } from "./buffer.js";
import { bytesOf, encoded } from "./crypto_bytes.js";
import { curveNamed } from "./crypto_keys.js";
import { coded } from "./errors.js";
import { host } from "./internal_host.js";

export class ECDH {
  #curve;
  /** @type {Uint8Array | undefined} */
  #key;
  /** @param {string} curve */
  constructor(curve) {
    const known = curveNamed(curve);
    if (known === undefined) throw coded(TypeError, "ERR_CRYPTO_INVALID_CURVE", `Invalid EC curve name: ${curve}`);
    this.#curve = known;
  }

  /** @template T @param {T | undefined} value @param {string} what @returns {T} */
  #need(value, what) {
    if (value === undefined) throw coded(Error, "ERR_CRYPTO_ECDH_INVALID_KEY", what);
    return value;
  }

  /** @param {any} [encoding] @param {string} [format] */
  generateKeys(encoding, format) {
    this.#key = this.#need(host.ecGenerate(this.#curve), "No key could be made.");
    return this.getPublicKey(encoding, format);
  }

  /** @param {any} [encoding] @param {string} [format] "uncompressed" or "compressed" */
  getPublicKey(encoding, format = "uncompressed") {
    const point = this.#need(host.ecPublic(this.#curve, this.#need(this.#key, "Failed to get ECDH public key: there is no key yet.")), "The key has no point.");
    if (format !== "compressed") return encoded(point, encoding);
    const half = (point.length - 1) / 2;
    const sign = /** @type {number} */ (point[point.length - 1]) & 1 ? 3 : 2;
    return encoded(Buffer.concat([Uint8Array.of(sign), point.subarray(1, 1 + half)]), encoding);
  }

  /** @param {any} [encoding] */
  getPrivateKey(encoding) {
    const key = this.#need(this.#key, "Failed to get ECDH private key: there is no key yet.");
    const point = this.#need(host.ecPublic(this.#curve, key), "The key has no point.");
    return encoded(key.slice(0, key.length - point.length), encoding);
  }

  /** @param {any} key @param {any} [encoding] */
  setPrivateKey(key, encoding) {
    this.#key = this.#need(host.ecImport(this.#curve, "scalar", bytesOf(key, "key", encoding)), "Private key is not valid for specified curve.");
  }

  /** @param {any} other @param {any} [inputEncoding] @param {any} [outputEncoding] */
  computeSecret(other, inputEncoding, outputEncoding) {
    const point = this.#need(host.ecImport(this.#curve, "raw", bytesOf(other, "otherPublicKey", inputEncoding)), "Public key is not valid for specified curve");
    return encoded(this.#need(host.ecAgree(this.#curve, this.#need(this.#key, "There is no key yet."), point), "The keys do not fit."), outputEncoding);
  }
}
/** @param {string} curve */
export const createECDH = (curve) => new ECDH(curve);
