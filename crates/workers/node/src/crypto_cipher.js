/** `createCipheriv` and `createDecipheriv` of `node:crypto`: AES in the modes cbc, ctr, gcm. */
import { Buffer } from "./buffer.js";
import { bytesOf, encoded } from "./crypto_bytes.js";
import { secretOf } from "./crypto_keys.js";
import { coded, invalidArgValue } from "./errors.js";
import { host } from "./internal_host.js";
import { Transform } from "./stream.js";

const BLOCK = 16;

/** @param {string} name */
function parse(name) {
  const match = /^aes-?(128|192|256)-(cbc|ctr|gcm)$/.exec(`${name}`.toLowerCase());
  if (match === null) throw coded(Error, "ERR_CRYPTO_UNKNOWN_CIPHER", `Unknown cipher: ${name}. Supported are aes-128, aes-192 and aes-256 with cbc, ctr or gcm.`);
  return { keyLength: Number(match[1]) / 8, mode: /** @type {"cbc" | "ctr" | "gcm"} */ (match[2]) };
}

/** Bytes that wait for a whole block. @param {Uint8Array} before @param {Uint8Array} more */
const joined = (before, more) => (before.length === 0 ? more : Buffer.concat([before, more]));
const BROKEN = () => coded(Error, "ERR_OSSL_BAD_DECRYPT", "error:1C800064:Provider routines::bad decrypt");

/**
 * CBC in whole blocks. The runtime pads always: encrypting cuts its extra block off, decrypting adds one that holds nothing but padding.
 */
class Cbc {
  padded = true;
  #encrypt;
  #key;
  #iv;
  #rest = new Uint8Array();

  /** @param {boolean} encrypt @param {Uint8Array} key @param {Uint8Array} iv */
  constructor(encrypt, key, iv) {
    this.#encrypt = encrypt;
    this.#key = key;
    this.#iv = iv;
  }

  /** @param {Uint8Array} blocks */
  #blocks(blocks) {
    if (blocks.length === 0) return blocks;
    const last = (/** @type {Uint8Array} */ bytes) => bytes.slice(bytes.length - BLOCK);
    if (this.#encrypt) {
      const output = this.#run(true, this.#iv, blocks).subarray(0, blocks.length);
      this.#iv = last(output);
      return output;
    }
    const padding = this.#run(true, last(blocks), new Uint8Array());
    const output = this.#run(false, this.#iv, Buffer.concat([blocks, padding]));
    this.#iv = last(blocks);
    return output;
  }

  /** @param {boolean} encrypt @param {Uint8Array} iv @param {Uint8Array} data */
  #run(encrypt, iv, data) {
    const output = host.aesCbc(encrypt, this.#key, iv, data);
    if (output === undefined) throw BROKEN();
    return output;
  }

  /** @param {Uint8Array} data */
  update(data) {
    const all = joined(this.#rest, data);
    let whole = all.length - (all.length % BLOCK);
    // The last block may be padding: it is kept until it is known to be the last.
    if (!this.#encrypt && this.padded && whole === all.length && whole > 0) whole -= BLOCK;
    this.#rest = all.slice(whole);
    return this.#blocks(all.subarray(0, whole));
  }

  final() {
    const rest = this.#rest;
    if (!this.padded) {
      if (rest.length > 0) throw coded(Error, "ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH", "error:1C80006B:Provider routines::wrong final block length");
      return rest;
    }
    if (!this.#encrypt && rest.length !== BLOCK) throw coded(Error, "ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH", "error:1C80006B:Provider routines::wrong final block length");
    return this.#run(this.#encrypt, this.#iv, rest);
  }
}

/** CTR, at any length. */
class Ctr {
  #key;
  #counter;
  /** Bytes of the current block that are used up. */
  #used = 0;

  /** @param {Uint8Array} key @param {Uint8Array} iv */
  constructor(key, iv) {
    this.#key = key;
    this.#counter = BigInt(`0x${Buffer.from(iv).toString("hex")}`);
  }

  /** @param {Uint8Array} data */
  update(data) {
    const counter = Buffer.from(this.#counter.toString(16).padStart(32, "0"), "hex");
    const output = host.aesCtr(this.#key, counter, 128, joined(new Uint8Array(this.#used), data));
    if (output === undefined) throw BROKEN();
    const position = this.#used + data.length;
    this.#counter = BigInt.asUintN(128, this.#counter + BigInt(Math.trunc(position / BLOCK)));
    const used = this.#used;
    this.#used = position % BLOCK;
    return output.subarray(used);
  }

  final() {
    return new Uint8Array();
  }
}

/** GCM: all comes with `final()`, so that nothing is given out before it is known to be genuine. */
class Gcm {
  /** @type {Uint8Array[]} */
  #data = [];
  #encrypt;
  #key;
  #iv;
  #tagLength;
  additional = new Uint8Array();
  /** @type {Uint8Array | undefined} */
  tag;

  /** @param {boolean} encrypt @param {Uint8Array} key @param {Uint8Array} iv @param {number} tagLength */
  constructor(encrypt, key, iv, tagLength) {
    this.#encrypt = encrypt;
    this.#key = key;
    this.#iv = iv;
    this.#tagLength = tagLength;
  }

  /** @param {Uint8Array} data */
  update(data) {
    this.#data.push(data.slice());
    return new Uint8Array();
  }

  final() {
    const data = Buffer.concat(this.#data);
    if (this.#encrypt) {
      const output = host.aesGcm(true, this.#key, this.#iv, this.additional, this.#tagLength * 8, data);
      if (output === undefined) throw BROKEN();
      this.tag = output.slice(data.length);
      return output.subarray(0, data.length);
    }
    const { tag } = this;
    const output = tag === undefined ? undefined : host.aesGcm(false, this.#key, this.#iv, this.additional, tag.length * 8, Buffer.concat([data, tag]));
    if (output === undefined) throw new Error("Unsupported state or unable to authenticate data");
    return output;
  }
}

class CipherBase extends Transform {
  /** @type {Cbc | Ctr | Gcm} */
  #mode;
  #encrypt;
  #finished = false;

  /** @param {boolean} encrypt @param {string} algorithm @param {any} key @param {any} iv @param {any} [options] */
  constructor(encrypt, algorithm, key, iv, options = {}) {
    super(options);
    this.#encrypt = encrypt;
    const { keyLength, mode } = parse(algorithm);
    const secret = secretOf(key, "key");
    const start = bytesOf(iv, "iv");
    if (secret.length !== keyLength) throw coded(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", `Invalid key length: ${algorithm} takes ${keyLength} bytes, not ${secret.length}`);
    if (mode === "gcm" ? start.length === 0 : start.length !== BLOCK) throw coded(TypeError, "ERR_CRYPTO_INVALID_IV", "Invalid initialization vector");
    this.#mode = mode === "cbc" ? new Cbc(encrypt, secret, start) : mode === "ctr" ? new Ctr(secret, start) : new Gcm(encrypt, secret, start, options.authTagLength ?? 16);
  }

  /** @param {any} data @param {any} [inputEncoding] @param {any} [outputEncoding] */
  update(data, inputEncoding, outputEncoding) {
    if (this.#finished) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Unsupported state: final() was called");
    return encoded(this.#mode.update(bytesOf(data, "data", inputEncoding)), outputEncoding);
  }

  /** @param {any} [encoding] */
  final(encoding) {
    if (this.#finished) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Unsupported state: final() was called");
    this.#finished = true;
    return encoded(this.#mode.final(), encoding);
  }

  setAutoPadding(on = true) {
    if (this.#mode instanceof Cbc) this.#mode.padded = on;
    return this;
  }

  #gcm() {
    if (!(this.#mode instanceof Gcm)) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Only the mode gcm authenticates");
    return this.#mode;
  }

  /** @param {any} data @param {any} [_options] */
  setAAD(data, _options) {
    const gcm = this.#gcm();
    gcm.additional = Buffer.concat([gcm.additional, bytesOf(data, "buffer")]);
    return this;
  }

  getAuthTag() {
    const { tag } = this.#gcm();
    if (!this.#encrypt || tag === undefined) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "Invalid state for operation getAuthTag: call final() first");
    return encoded(tag);
  }

  /** @param {any} tag @param {any} [encoding] */
  setAuthTag(tag, encoding) {
    const bytes = bytesOf(tag, "tag", encoding);
    if (bytes.length < 4 || bytes.length > 16) throw invalidArgValue("tag", tag, `has an invalid length of ${bytes.length}`);
    this.#gcm().tag = bytes;
    return this;
  }

  /** @param {any} chunk @param {any} encoding @param {(error?: any, output?: any) => void} done */
  _transform(chunk, encoding, done) {
    try {
      done(null, this.update(chunk, encoding));
    } catch (error) {
      done(error);
    }
  }

  /** @param {(error?: any, output?: any) => void} done */
  _flush(done) {
    try {
      done(null, this.final());
    } catch (error) {
      done(error);
    }
  }
}

export class Cipheriv extends CipherBase {
  /** @param {string} algorithm @param {any} key @param {any} iv @param {any} [options] */
  constructor(algorithm, key, iv, options) {
    super(true, algorithm, key, iv, options);
  }
}
export class Decipheriv extends CipherBase {
  /** @param {string} algorithm @param {any} key @param {any} iv @param {any} [options] */
  constructor(algorithm, key, iv, options) {
    super(false, algorithm, key, iv, options);
  }
}
/** @param {string} algorithm @param {any} key @param {any} iv @param {any} [options] */
export const createCipheriv = (algorithm, key, iv, options) => new Cipheriv(algorithm, key, iv, options);
/** @param {string} algorithm @param {any} key @param {any} iv @param {any} [options] */
export const createDecipheriv = (algorithm, key, iv, options) => new Decipheriv(algorithm, key, iv, options);
export const getCiphers = () => ["128", "192", "256"].flatMap((bits) => ["cbc", "ctr", "gcm"].map((mode) => `aes-${bits}-${mode}`));
