/** Elliptic curves: ECDSA and ECDH on the NIST curves, Ed25519, X25519. */
import { checkJwk, jwkBytes, newJwk, toBase64url } from "./crypto_jwk.js";
import { checkUsages, failWith, newKey, onlyUsages, orFail, partsOfKey } from "./crypto_key.js";
import { truncateBits } from "./crypto_secret.js";
import host from "./host_object.js";
import { Uint8Array, arrayConcat, typedArrayLength, typedArraySet, typedArraySlice } from "./primordials.js";

/** @typedef {import("./crypto_key.js").KeyParts} KeyParts */

/** Bytes of a scalar or of a coordinate; of a seed. @type {Record<string, number>} */
const SIZES = { "P-256": 32, "P-384": 48, "P-521": 66, Ed25519: 32, X25519: 32 };

/** @param {string} curve */
function isNist(curve) {
  return curve === "P-256" || curve === "P-384" || curve === "P-521";
}

/** @param {any} algorithm of a key, or parameters @returns {string} */
function curveOf({ name, namedCurve = name }) {
  return namedCurve;
}

/**
 * @param {string} name
 * @param {string[]} publicUsages
 * @param {string[]} privateUsages
 * @param {string} use in JWKs
 * @param {(curve: string) => string | undefined} jwkName the "alg" of JWKs that is checked
 */
function ec(name, publicUsages, privateUsages, use, jwkName) {
  const nist = name === "ECDSA" || name === "ECDH";

  /** @param {any} params */
  function checkedCurve(params) {
    const curve = curveOf(params);
    if (nist && !isNist(curve)) failWith("NotSupportedError", `The curve "${curve}" is not supported.`);
    return curve;
  }

  /** @param {boolean} isPrivate @param {boolean} extractable @param {string} curve @param {string[]} usages @param {Uint8Array | undefined} data */
  function make(isPrivate, extractable, curve, usages, data) {
    const key = orFail(data, "DataError", `The data is not a key of the curve ${curve}.`);
    return newKey(isPrivate ? "private" : "public", extractable, nist ? { name, namedCurve: curve } : { name }, usages, key);
  }

  /** @param {any} jwk @param {string} curve @param {boolean} extractable @param {string[]} usages */
  function importJwk(jwk, curve, extractable, usages) {
    const isPrivate = jwk.d !== undefined;
    checkUsages(usages, isPrivate ? privateUsages : publicUsages);
    checkJwk(jwk, nist ? "EC" : "OKP", use, usages, extractable);
    if (jwk.crv !== curve) failWith("DataError", `The JSON Web Key's "crv" is not "${curve}".`);
    const alg = jwkName(curve);
    if (alg !== undefined && jwk.alg !== undefined && jwk.alg !== alg && !(alg === "Ed25519" && jwk.alg === "EdDSA")) {
      failWith("DataError", `The JSON Web Key's "alg" is not "${alg}".`);
    }
    const x = jwkBytes(jwk, "x");
    const point = nist ? pointOf(x, jwkBytes(jwk, "y"), /** @type {number} */ (SIZES[curve])) : x;
    const publicKey = point === undefined ? undefined : host.ecImport(curve, "raw", point);
    if (!isPrivate || publicKey === undefined) return make(false, extractable, curve, usages, publicKey);
    const data = host.ecImport(curve, "scalar", jwkBytes(jwk, "d"));
    if (data === undefined || !host.timingSafeEqual(/** @type {any} */ (host.ecPublic(curve, data)), publicKey)) {
      failWith("DataError", "The JSON Web Key's private part does not fit its public one.");
    }
    return make(true, extractable, curve, usages, data);
  }

  /** @param {KeyParts} parts */
  function exportJwk(parts) {
    const curve = curveOf(parts.algorithm);
    const size = /** @type {number} */ (SIZES[curve]);
    const isPrivate = parts.type === "private";
    const point = isPrivate ? typedArraySlice(parts.data, size) : parts.data;
    /** @type {any} */
    const members = { kty: nist ? "EC" : "OKP", crv: curve };
    if (nist) {
      members.x = toBase64url(typedArraySlice(point, 1, 1 + size));
      members.y = toBase64url(typedArraySlice(point, 1 + size));
    } else {
      members.x = toBase64url(point);
      if (name === "Ed25519") members.alg = "Ed25519";
    }
    if (isPrivate) members.d = toBase64url(typedArraySlice(parts.data, 0, size));
    return newJwk(members, parts);
  }

  return {
    /** @param {any} params @param {boolean} extractable @param {string[]} usages */
    generateKey(params, extractable, usages) {
      checkUsages(usages, arrayConcat(publicUsages, privateUsages));
      const curve = checkedCurve(params);
      const data = orFail(host.ecGenerate(curve), "OperationError", "The key could not be generated.");
      return {
        publicKey: make(false, true, curve, onlyUsages(usages, publicUsages), host.ecPublic(curve, data)),
        privateKey: make(true, extractable, curve, onlyUsages(usages, privateUsages), data),
      };
    },
    /** @param {string} format @param {any} data @param {any} params @param {boolean} extractable @param {string[]} usages */
    importKey(format, data, params, extractable, usages) {
      if (format === "jwk") {
        checkUsages(usages, data.d !== undefined ? privateUsages : publicUsages);
        return importJwk(data, checkedCurve(params), extractable, usages);
      }
      const isPrivate = format === "pkcs8";
      checkUsages(usages, isPrivate ? privateUsages : publicUsages);
      const curve = checkedCurve(params);
      return make(isPrivate, extractable, curve, usages, host.ecImport(curve, /** @type {any} */ (format), data));
    },
    /** @param {string} format @param {KeyParts} parts */
    exportKey(format, parts) {
      if (format === "jwk") return exportJwk(parts);
      const isPrivate = parts.type === "private";
      if (isPrivate !== (format === "pkcs8")) failWith("InvalidAccessError", `A ${parts.type} key cannot be exported as "${format}".`);
      if (format === "raw") return typedArraySlice(parts.data);
      return orFail(host.ecExport(curveOf(parts.algorithm), isPrivate, parts.data), "OperationError", "The key cannot be written.");
    },
  };
}

/** The uncompressed point. @param {Uint8Array} x @param {Uint8Array} y @param {number} size */
function pointOf(x, y, size) {
  if (typedArrayLength(x) !== size || typedArrayLength(y) !== size) return undefined;
  const point = new Uint8Array(1 + 2 * size);
  point[0] = 4;
  typedArraySet(point, x, 1);
  typedArraySet(point, y, 1 + size);
  return point;
}

const ecSigning = {
  /** @param {any} params @param {KeyParts} parts @param {Uint8Array} data */
  sign({ hash }, { type, algorithm, data: key }, data) {
    if (type !== "private") failWith("InvalidAccessError", "Signing needs a private key.");
    return orFail(host.ecSign(curveOf(algorithm), hash?.name, key, data), "OperationError", "The data could not be signed.");
  },
  /** @param {any} params @param {KeyParts} parts @param {Uint8Array} signature @param {Uint8Array} data */
  verify({ hash }, { type, algorithm, data: key }, signature, data) {
    if (type !== "public") failWith("InvalidAccessError", "Verifying needs a public key.");
    return host.ecVerify(curveOf(algorithm), hash?.name, key, signature, data);
  },
};

const agreeing = {
  /** @param {any} params @param {KeyParts} parts @param {number | null} length in bits */
  deriveBits(params, { type, algorithm, data: key }, length) {
    if (type !== "private") failWith("InvalidAccessError", "Deriving needs a private key.");
    const peer = partsOfKey(params.public);
    if (peer.type !== "public") failWith("InvalidAccessError", "The other side's key is not a public key.");
    if (peer.algorithm.name !== algorithm.name || peer.algorithm.namedCurve !== algorithm.namedCurve) {
      failWith("InvalidAccessError", "The other side's key is of another algorithm or curve.");
    }
    const secret = orFail(host.ecAgree(curveOf(algorithm), key, peer.data), "OperationError", "The keys agree on nothing.");
    if (length === null) return secret;
    if (length > typedArrayLength(secret) * 8) failWith("OperationError", `No more than ${typedArrayLength(secret) * 8} bits can be derived.`);
    return truncateBits(secret, length);
  },
};

/** @type {Record<string, string>} */
const ECDSA_NAMES = { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };
const DERIVATION = ["deriveKey", "deriveBits"];

export const ecdsa = { ...ec("ECDSA", ["verify"], ["sign"], "sig", (curve) => ECDSA_NAMES[curve]), ...ecSigning };
export const ecdh = { ...ec("ECDH", [], DERIVATION, "enc", () => undefined), ...agreeing };
export const ed25519 = { ...ec("Ed25519", ["verify"], ["sign"], "sig", () => "Ed25519"), ...ecSigning };
export const x25519 = { ...ec("X25519", [], DERIVATION, "enc", () => undefined), ...agreeing };
