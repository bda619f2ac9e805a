/** Digests and HMAC of `node:crypto`. */
import { bytesOf, encoded, hashOf } from "./crypto_bytes.js";
import { secretOf } from "./crypto_keys.js";
import { coded, requireString } from "./errors.js";
import { host } from "./internal_host.js";
import { Transform } from "./stream.js";

const FINISHED = () => coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");

/** A stream whose output is what `finish` gives. */
class DigestBase extends Transform {
  /** Nothing can be added any more. */
  finished = false;
  /** The digest that the stream gave at its end: `digest()` may ask for it once more. @type {Uint8Array | undefined} */
  streamed = undefined;

  /** @param {any} [options] of the stream */
  constructor(options) {
    super(options);
  }

  /** @param {any} chunk @param {any} encoding @param {(error?: any) => void} done */
  _transform(chunk, encoding, done) {
    try {
      this.update(chunk, encoding);
      done();
    } catch (error) {
      done(error);
    }
  }

  /** @param {(error?: any) => void} done */
  _flush(done) {
    try {
      this.streamed = this.digest();
      this.push(this.streamed);
      done();
    } catch (error) {
      done(error);
    }
  }

  /** @param {any} data @param {any} [encoding] @returns {this} */
  update(data, encoding) {
    if (this.finished) throw FINISHED();
    this.add(bytesOf(data, "data", encoding));
    return this;
  }

  /** @param {any} [encoding] */
  digest(encoding) {
    const streamed = this.streamed;
    this.streamed = undefined;
    if (streamed !== undefined) return encoded(new Uint8Array(streamed), encoding);
    if (this.finished) throw FINISHED();
    this.finished = true;
    return encoded(this.finish(), encoding);
  }

  /** @param {Uint8Array} _bytes */
  add(_bytes) {}

  finish() {
    return new Uint8Array();
  }
}

export class Hash extends DigestBase {
  #id;
  #name;
  /** @param {string} algorithm @param {any} [options] @param {number} [id] of a hasher that is there already */
  constructor(algorithm, options, id = undefined) {
    super(options);
    this.#name = algorithm;
    const { name } = hashOf(algorithm);
    this.#id = id ?? host.hashCreate(name);
  }

  /** @param {Uint8Array} bytes */
  add(bytes) {
    host.hashUpdate(this.#id, bytes);
  }

  finish() {
    const result = host.hashFinish(this.#id);
    if (result === undefined) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "The request that this digest belongs to has ended.");
    return result;
  }

  /** One that has been given the same so far. @param {any} [options] */
  copy(options) {
    if (this.finished) throw FINISHED();
    return new Hash(this.#name, options, host.hashCopy(this.#id));
  }
}

/** HMAC (RFC 2104) of two digests. */
export class Hmac extends DigestBase {
  #inner;
  #outer;
  /** @param {string} algorithm @param {any} key @param {any} [options] */
  constructor(algorithm, key, options) {
    super(options);
    const { block, name } = hashOf(algorithm);
    let secret = secretOf(key, "key");
    if (secret.length > block) secret = host.digest(name, secret);
    const pad = (/** @type {number} */ value) => {
      const padded = new Uint8Array(block).fill(value);
      for (let i = 0; i < secret.length; i++) padded[i] = /** @type {number} */ (padded[i]) ^ /** @type {number} */ (secret[i]);
      return padded;
    };
    this.#inner = new Hash(algorithm).update(pad(0x36));
    this.#outer = new Hash(algorithm).update(pad(0x5c));
  }

  /** @param {Uint8Array} bytes */
  add(bytes) {
    this.#inner.add(bytes);
  }

  finish() {
    return this.#outer.update(this.#inner.digest()).digest();
  }
}

/** @param {string} algorithm @param {any} [options] */
export const createHash = (algorithm, options) => new Hash(algorithm, options);
/** @param {string} algorithm @param {any} key @param {any} [options] */
export const createHmac = (algorithm, key, options) => new Hmac(algorithm, key, options);
/** The digest of all at once. @param {string} algorithm @param {any} data @param {any} [encoding] */
export function hash(algorithm, data, encoding = "hex") {
  requireString(algorithm, "algorithm");
  return encoded(host.digest(hashOf(algorithm).name, bytesOf(data, "input")), encoding);
}
