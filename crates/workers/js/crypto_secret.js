/** Algorithms with secret keys: AES, HMAC, HKDF, PBKDF2. */
import { checkJwk, jwkBytes, newJwk, toBase64url } from "./crypto_jwk.js";
import { checkUsages, failWith, newKey, orFail } from "./crypto_key.js";
import host from "./host_object.js";
import { Uint8Array, arrayIndexOf, floor, stringSlice, typedArrayLength, typedArraySlice } from "./primordials.js";

/**
 * @typedef {import("./crypto_key.js").KeyParts} KeyParts
 * @typedef {import("./crypto_jwk.js").Jwk} Jwk
 */

const LENGTHS = [128, 192, 256];

/** @param {number} bits */
function checkAesLength(bits) {
  if (arrayIndexOf(LENGTHS, bits) < 0) failWith("OperationError", `An AES key has 128, 192 or 256 bits, not ${bits}.`);
  return bits;
}

/**
 * The bytes of a key to be imported, raw or as a JWK.
 * @param {string} format @param {any} data @param {string} use @param {string[]} usages @param {boolean} extractable
 * @param {(jwk: Jwk, bytes: Uint8Array) => void} check
 * @returns {Uint8Array}
 */
function secretBytes(format, data, use, usages, extractable, check) {
  if (format === "raw") return data;
  if (format !== "jwk") failWith("NotSupportedError", `Keys of this kind cannot be imported as "${format}".`);
  checkJwk(data, "oct", use, usages, extractable);
  const bytes = jwkBytes(data, "k");
  check(data, bytes);
  return bytes;
}

/** @param {string} format @param {KeyParts} parts @param {string} alg */
function exportSecret(format, parts, alg) {
  if (format === "raw") return typedArraySlice(parts.data);
  if (format !== "jwk") failWith("NotSupportedError", `Keys of this kind cannot be exported as "${format}".`);
  return newJwk({ kty: "oct", k: toBase64url(parts.data), alg }, parts);
}

/** @param {string} name @param {string} mode its name in JWKs @param {string[]} usable */
function aes(name, mode, usable) {
  return {
    /** @param {any} params @param {boolean} extractable @param {string[]} usages */
    generateKey(params, extractable, usages) {
      checkUsages(usages, usable);
      const length = checkAesLength(params.length);
      return newKey("secret", extractable, { name, length }, usages, host.randomBytes(length / 8));
    },
    /** @param {string} format @param {any} data @param {any} _ @param {boolean} extractable @param {string[]} usages */
    importKey(format, data, _, extractable, usages) {
      checkUsages(usages, usable);
      const bytes = secretBytes(format, data, "enc", usages, extractable, (jwk, bytes) => {
        const expected = `A${typedArrayLength(bytes) * 8}${mode}`;
        if (jwk.alg !== undefined && jwk.alg !== expected) failWith("DataError", `The JSON Web Key's "alg" is not "${expected}".`);
      });
      const length = typedArrayLength(bytes) * 8;
      if (arrayIndexOf(LENGTHS, length) < 0) failWith("DataError", `An AES key has 128, 192 or 256 bits, not ${length}.`);
      return newKey("secret", extractable, { name, length }, usages, bytes);
    },
    /** @param {string} format @param {KeyParts} parts */
    exportKey: (format, parts) => exportSecret(format, parts, `A${parts.algorithm.length}${mode}`),
    /** @param {any} params */
    keyLength: (params) => checkAesLength(params.length),
  };
}

const CIPHER_USAGES = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];

/** @param {Uint8Array} bytes @param {string} what */
function checkBlock(bytes, what) {
  if (typedArrayLength(bytes) !== 16) failWith("OperationError", `${what} has 16 bytes, not ${typedArrayLength(bytes)}.`);
}

/** @param {boolean} encrypt */
function cbc(encrypt) {
  return (/** @type {any} */ { iv }, /** @type {KeyParts} */ { data: key }, /** @type {Uint8Array} */ data) => {
    checkBlock(iv, "The iv of AES-CBC");
    return orFail(host.aesCbc(encrypt, key, iv, data), "OperationError", "The data is not AES-CBC with PKCS #7 padding under this key.");
  };
}
export const aesCbc = { ...aes("AES-CBC", "CBC", CIPHER_USAGES), encrypt: cbc(true), decrypt: cbc(false) };

/** @param {any} params @param {KeyParts} parts @param {Uint8Array} data */
function ctr({ counter, length }, { data: key }, data) {
  checkBlock(counter, "The counter of AES-CTR");
  if (length < 1 || length > 128) failWith("OperationError", "The counter of AES-CTR has 1 to 128 bits.");
  return orFail(host.aesCtr(key, counter, length, data), "OperationError", "There is more data than the counter has values for.");
}
export const aesCtr = { ...aes("AES-CTR", "CTR", CIPHER_USAGES), encrypt: ctr, decrypt: ctr };

const TAGS = [32, 64, 96, 104, 112, 120, 128];
export const emptyBytes = new Uint8Array(0);

/** @param {boolean} encrypt */
function gcm(encrypt) {
  return (
    /** @type {any} */ { iv, additionalData = emptyBytes, tagLength = 128 },
    /** @type {KeyParts} */ { data: key },
    /** @type {Uint8Array} */ data,
  ) => {
    if (arrayIndexOf(TAGS, tagLength) < 0) failWith("OperationError", `The tag of AES-GCM cannot have ${tagLength} bits.`);
    if (typedArrayLength(iv) === 0) failWith("OperationError", "The iv of AES-GCM is empty.");
    const result = host.aesGcm(encrypt, key, iv, additionalData, tagLength, data);
    return orFail(result, "OperationError", "The data or its tag is not AES-GCM under this key.");
  };
}
export const aesGcm = { ...aes("AES-GCM", "GCM", CIPHER_USAGES), encrypt: gcm(true), decrypt: gcm(false) };

/** @param {boolean} wrap */
function kw(wrap) {
  return (/** @type {any} */ _, /** @type {KeyParts} */ { data: key }, /** @type {Uint8Array} */ data) =>
    orFail(host.aesKw(wrap, key, data), "OperationError", wrap ? "AES-KW wraps multiples of 8 bytes, from 16 on." : "The data is not AES-KW under this key.");
}
export const aesKw = { ...aes("AES-KW", "KW", ["wrapKey", "unwrapKey"]), wrapKey: kw(true), unwrapKey: kw(false) };

// === HMAC ===

/** @param {{name: string}} hash */
function blockBits(hash) {
  return hash.name === "SHA-1" || hash.name === "SHA-256" ? 512 : 1024;
}

/** @param {{name: string}} hash @returns {string} its name in JWKs */
function jwkHash(hash) {
  return `HS${hash.name === "SHA-1" ? "1" : stringSlice(hash.name, 4)}`;
}

/** Makes the bits after the last one zero. @param {Uint8Array} bytes @param {number} bits @returns {Uint8Array} */
export function truncateBits(bytes, bits) {
  const length = floor((bits + 7) / 8);
  const result = typedArraySlice(bytes, 0, length);
  if (bits % 8 !== 0) result[length - 1] = /** @type {number} */ (result[length - 1]) & (0xff << (8 - (bits % 8)));
  return result;
}

export const hmac = {
  /** @param {any} params @param {boolean} extractable @param {string[]} usages */
  generateKey({ name, hash, length = blockBits(hash) }, extractable, usages) {
    checkUsages(usages, ["sign", "verify"]);
    if (length === 0) failWith("OperationError", "The length of an HMAC key is not 0.");
    if (length > 8 * 65536) failWith("OperationError", "The length of an HMAC key is at most 524288 bits.");
    const data = truncateBits(host.randomBytes(floor((length + 7) / 8)), length);
    return newKey("secret", extractable, { name, hash, length }, usages, data);
  },
  /** @param {string} format @param {any} data @param {any} params @param {boolean} extractable @param {string[]} usages */
  importKey(format, data, { name, hash, length: wanted }, extractable, usages) {
    checkUsages(usages, ["sign", "verify"]);
    const bytes = secretBytes(format, data, "sig", usages, extractable, (jwk) => {
      const expected = jwkHash(hash);
      if (jwk.alg !== undefined && jwk.alg !== expected) failWith("DataError", `The JSON Web Key's "alg" is not "${expected}".`);
    });
    const bits = typedArrayLength(bytes) * 8;
    if (bits === 0) failWith("DataError", "The key is empty.");
    const length = wanted ?? bits;
    if (length > bits || length <= bits - 8) failWith("DataError", `The length is ${length} bits, but the key has ${bits}.`);
    return newKey("secret", extractable, { name, hash, length }, usages, truncateBits(bytes, length));
  },
  /** @param {string} format @param {KeyParts} parts */
  exportKey: (format, parts) => exportSecret(format, parts, jwkHash(parts.algorithm.hash)),
  /** @param {any} params */
  keyLength({ hash, length = blockBits(hash) }) {
    if (length === 0) failWith("OperationError", "The length of an HMAC key is not 0.");
    return length;
  },
  /** @param {any} _ @param {KeyParts} parts @param {Uint8Array} data */
  sign(_, { algorithm, data: key }, data) {
    return orFail(host.hmac(algorithm.hash.name, key, data), "OperationError", "The HMAC could not be computed.");
  },
  /** @param {any} params @param {KeyParts} parts @param {Uint8Array} signature @param {Uint8Array} data */
  verify(params, parts, signature, data) {
    return host.timingSafeEqual(hmac.sign(params, parts, data), signature);
  },
};

// === derivation from a secret ===

/** @param {string} name @param {(params: any, key: Uint8Array, bytes: number) => Uint8Array | undefined} derive */
function derivation(name, derive) {
  return {
    /** @param {string} format @param {any} data @param {any} _ @param {boolean} extractable @param {string[]} usages */
    importKey(format, data, _, extractable, usages) {
      if (format !== "raw") failWith("NotSupportedError", `Keys of this kind cannot be imported as "${format}".`);
      checkUsages(usages, ["deriveKey", "deriveBits"]);
      if (extractable) failWith("SyntaxError", `A key of ${name} cannot be extractable.`);
      return newKey("secret", false, { name }, usages, data);
    },
    keyLength: () => null,
    /** @param {any} params @param {KeyParts} parts @param {number | null} length in bits */
    deriveBits(params, { data: key }, length) {
      if (length === null || length % 8 !== 0) failWith("OperationError", "The length is not a multiple of 8 bits.");
      return orFail(derive(params, key, length / 8), "OperationError", "So much cannot be derived.");
    },
  };
}

export const hkdf = derivation("HKDF", ({ hash, salt, info }, key, bytes) => host.hkdf(hash.name, key, salt, info, bytes));

/** What Cloudflare allows. */
const MOST_ITERATIONS = 100_000;

export const pbkdf2 = derivation("PBKDF2", ({ hash, salt, iterations }, key, bytes) => {
  if (iterations === 0) failWith("OperationError", "PBKDF2 needs at least one iteration.");
  if (iterations > MOST_ITERATIONS) {
    failWith("NotSupportedError", `Pbkdf2 failed: iteration counts above 100000 are not supported (requested ${iterations}).`);
  }
  return host.pbkdf2(hash.name, key, salt, iterations, bytes);
});
