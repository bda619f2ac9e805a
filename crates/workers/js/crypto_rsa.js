/** RSA: RSASSA-PKCS1-v1_5, RSA-PSS, RSA-OAEP. */
import { checkJwk, jwkBytes, newJwk, toBase64url } from "./crypto_jwk.js";
import { checkUsages, failWith, newKey, onlyUsages, orFail } from "./crypto_key.js";
import { emptyBytes } from "./crypto_secret.js";
import host from "./host_object.js";
import { arrayConcat, stringSlice, typedArrayLength } from "./primordials.js";

/** @typedef {import("./crypto_key.js").KeyParts} KeyParts */

const PRIVATE_PARTS = ["d", "p", "q", "dp", "dq", "qi"];

/**
 * @param {string} name
 * @param {string[]} publicUsages
 * @param {string[]} privateUsages
 * @param {string} use in JWKs
 * @param {(hash: string) => string} jwkName the "alg" of JWKs, of the hash's number
 */
function rsa(name, publicUsages, privateUsages, use, jwkName) {
  const algOf = (/** @type {{name: string}} */ hash) => jwkName(stringSlice(hash.name, 4));

  /** @param {boolean} isPrivate @param {boolean} extractable @param {{name: string}} hash @param {string[]} usages @param {Uint8Array | undefined} data */
  function make(isPrivate, extractable, hash, usages, data) {
    const key = orFail(data, "DataError", "The data is not an RSA key that can be used.");
    const parts = orFail(host.rsaParts(isPrivate, key), "DataError", "The data is not an RSA key that can be used.");
    const modulus = /** @type {Uint8Array} */ (parts[0]);
    let modulusLength = typedArrayLength(modulus) * 8;
    for (let top = /** @type {number} */ (modulus[0]); top < 0x80 && modulusLength > 0; top *= 2) modulusLength -= 1;
    const algorithm = { name, modulusLength, publicExponent: parts[1], hash };
    return newKey(isPrivate ? "private" : "public", extractable, algorithm, usages, key);
  }

  /** @param {any} jwk @param {{name: string}} hash @param {boolean} extractable @param {string[]} usages */
  function importJwk(jwk, hash, extractable, usages) {
    const isPrivate = jwk.d !== undefined;
    checkUsages(usages, isPrivate ? privateUsages : publicUsages);
    checkJwk(jwk, "RSA", use, usages, extractable);
    if (jwk.alg !== undefined && jwk.alg !== algOf(hash)) failWith("DataError", `The JSON Web Key's "alg" is not "${algOf(hash)}".`);
    const n = jwkBytes(jwk, "n");
    const e = jwkBytes(jwk, "e");
    if (!isPrivate) return make(false, extractable, hash, usages, host.rsaBuild(n, e));
    if (jwk.oth !== undefined) failWith("NotSupportedError", "RSA keys of more than two primes are not supported.");
    for (let i = 3; i < PRIVATE_PARTS.length; i++) jwkBytes(jwk, /** @type {string} */ (PRIVATE_PARTS[i]));
    const data = host.rsaBuild(n, e, jwkBytes(jwk, "d"), jwkBytes(jwk, "p"), jwkBytes(jwk, "q"));
    return make(true, extractable, hash, usages, data);
  }

  return {
    /** @param {any} params @param {boolean} extractable @param {string[]} usages */
    generateKey({ modulusLength, publicExponent, hash }, extractable, usages) {
      checkUsages(usages, arrayConcat(publicUsages, privateUsages));
      let exponent = 0;
      for (let i = 0; i < publicExponent.length; i++) exponent = exponent * 256 + publicExponent[i];
      if (exponent !== 3 && exponent !== 65537) failWith("OperationError", "The publicExponent is neither 3 nor 65537.");
      const data = orFail(host.rsaGenerate(modulusLength, exponent), "OperationError", `An RSA key of ${modulusLength} bits cannot be generated: it can have 1024 to 4096.`);
      return {
        publicKey: make(false, true, hash, onlyUsages(usages, publicUsages), host.rsaPublic(data)),
        privateKey: make(true, extractable, hash, onlyUsages(usages, privateUsages), data),
      };
    },
    /** @param {string} format @param {any} data @param {any} params @param {boolean} extractable @param {string[]} usages */
    importKey(format, data, { hash }, extractable, usages) {
      if (format === "jwk") return importJwk(data, hash, extractable, usages);
      if (format === "spki") {
        checkUsages(usages, publicUsages);
        return make(false, extractable, hash, usages, host.rsaConvert("from spki", data));
      }
      if (format === "pkcs8") {
        checkUsages(usages, privateUsages);
        return make(true, extractable, hash, usages, host.rsaConvert("from pkcs8", data));
      }
      failWith("NotSupportedError", `RSA keys cannot be imported as "${format}".`);
    },
    /** @param {string} format @param {KeyParts} parts */
    exportKey(format, parts) {
      const isPrivate = parts.type === "private";
      if (format === "jwk") {
        const numbers = orFail(host.rsaParts(isPrivate, parts.data), "OperationError", "The key cannot be read.");
        /** @type {any} */
        const members = { kty: "RSA", alg: algOf(parts.algorithm.hash), n: toBase64url(/** @type {Uint8Array} */ (numbers[0])), e: toBase64url(/** @type {Uint8Array} */ (numbers[1])) };
        for (let i = 0; isPrivate && i < PRIVATE_PARTS.length; i++) {
          members[/** @type {string} */ (PRIVATE_PARTS[i])] = toBase64url(/** @type {Uint8Array} */ (numbers[i + 2]));
        }
        return newJwk(members, parts);
      }
      if (format !== "spki" && format !== "pkcs8") failWith("NotSupportedError", `RSA keys cannot be exported as "${format}".`);
      if (isPrivate !== (format === "pkcs8")) failWith("InvalidAccessError", `A ${parts.type} key cannot be exported as "${format}".`);
      return orFail(host.rsaConvert(isPrivate ? "to pkcs8" : "to spki", parts.data), "OperationError", "The key cannot be written.");
    },
  };
}

/** @param {(params: any) => number | undefined} saltLength */
function rsaSigning(saltLength) {
  return {
    /** @param {any} params @param {KeyParts} parts @param {Uint8Array} data */
    sign(params, { type, algorithm, data: key }, data) {
      if (type !== "private") failWith("InvalidAccessError", "Signing needs a private key.");
      const result = host.rsaSign(saltLength(params), algorithm.hash.name, key, data);
      return orFail(result, "OperationError", "The key is too short for this hash and salt.");
    },
    /** @param {any} params @param {KeyParts} parts @param {Uint8Array} signature @param {Uint8Array} data */
    verify(params, { type, algorithm, data: key }, signature, data) {
      if (type !== "public") failWith("InvalidAccessError", "Verifying needs a public key.");
      return host.rsaVerify(saltLength(params), algorithm.hash.name, key, signature, data);
    },
  };
}

export const rsaPkcs1 = {
  ...rsa("RSASSA-PKCS1-v1_5", ["verify"], ["sign"], "sig", (hash) => `RS${hash}`),
  ...rsaSigning(() => undefined),
};
export const rsaPss = {
  ...rsa("RSA-PSS", ["verify"], ["sign"], "sig", (hash) => `PS${hash}`),
  ...rsaSigning((params) => params.saltLength),
};
export const rsaOaep = {
  ...rsa("RSA-OAEP", ["encrypt", "wrapKey"], ["decrypt", "unwrapKey"], "enc", (hash) => (hash === "1" ? "RSA-OAEP" : `RSA-OAEP-${hash}`)),
  /** @param {any} params @param {KeyParts} parts @param {Uint8Array} data */
  encrypt({ label = emptyBytes }, { type, algorithm, data: key }, data) {
    if (type !== "public") failWith("InvalidAccessError", "Encrypting needs a public key.");
    return orFail(host.rsaOaep(true, algorithm.hash.name, label, key, data), "OperationError", "The data is too long for this key.");
  },
  /** @param {any} params @param {KeyParts} parts @param {Uint8Array} data */
  decrypt({ label = emptyBytes }, { type, algorithm, data: key }, data) {
    if (type !== "private") failWith("InvalidAccessError", "Decrypting needs a private key.");
    return orFail(host.rsaOaep(false, algorithm.hash.name, label, key, data), "OperationError", "The data cannot be decrypted with this key.");
  },
};
