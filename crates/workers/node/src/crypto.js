/** `node:crypto` (https://nodejs.org/api/crypto.html). The rooms are in `crypto_*.js`. */
import { HASHES } from "./crypto_bytes.js";
import { Cipheriv, Decipheriv, createCipheriv, createDecipheriv, getCiphers } from "./crypto_cipher.js";
import { hkdf, hkdfSync, pbkdf2, pbkdf2Sync, scrypt, scryptSync } from "./crypto_derive.js";
import { ECDH, createECDH } from "./crypto_ecdh.js";
import { Hash, Hmac, createHash, createHmac, hash } from "./crypto_hash.js";
import {
  KeyObject, createPrivateKey, createPublicKey, createSecretKey, diffieHellman, generateKey, generateKeyPair, generateKeyPairSync, generateKeySync, getCurves,
} from "./crypto_keys.js";
import { pseudoRandomBytes, randomBytes, randomFill, randomFillSync, randomInt, randomUUID, timingSafeEqual } from "./crypto_random.js";
import { Sign, Verify, constants, createSign, createVerify, privateDecrypt, publicEncrypt, sign, verify } from "./crypto_sign.js";

export const webcrypto = globalThis.crypto;
export const getRandomValues = (/** @type {any} */ array) => webcrypto.getRandomValues(array);
/** Looked up when it is asked for: most code never does. */
export const subtle = new Proxy(/** @type {any} */ ({}), {
  get: (_, name) => {
    const value = /** @type {any} */ (webcrypto.subtle)[name];
    return typeof value === "function" ? value.bind(webcrypto.subtle) : value;
  },
});
export const getHashes = () => Object.keys(HASHES);
export const getFips = () => 0;
export const setEngine = () => {};
export const secureHeapUsed = () => ({ total: 0, used: 0, utilization: 0, min: 0 });

const module = {
  Cipheriv, Decipheriv, ECDH, Hash, Hmac, KeyObject, Sign, Verify, constants, createCipheriv, createDecipheriv, createECDH, createHash, createHmac,
  createPrivateKey, createPublicKey, createSecretKey, createSign, createVerify, diffieHellman, generateKey, generateKeyPair, generateKeyPairSync,
  generateKeySync, getCiphers, getCurves, getFips, getHashes, getRandomValues, hash, hkdf, hkdfSync, pbkdf2, pbkdf2Sync, privateDecrypt,
  pseudoRandomBytes, publicEncrypt, randomBytes, randomFill, randomFillSync, randomInt, randomUUID, scrypt, scryptSync, secureHeapUsed, setEngine,
  sign, subtle, timingSafeEqual, verify, webcrypto,
};
export {
  Cipheriv, Decipheriv, ECDH, Hash, Hmac, KeyObject, Sign, Verify, constants, createCipheriv, createDecipheriv, createECDH, createHash, createHmac,
  createPrivateKey, createPublicKey, createSecretKey, createSign, createVerify, diffieHellman, generateKey, generateKeyPair, generateKeyPairSync,
  generateKeySync, getCiphers, getCurves, hash, hkdf, hkdfSync, pbkdf2, pbkdf2Sync, privateDecrypt, pseudoRandomBytes, publicEncrypt, randomBytes,
  randomFill, randomFillSync, randomInt, randomUUID, scrypt, scryptSync, sign, timingSafeEqual, verify,
};
export default module;
