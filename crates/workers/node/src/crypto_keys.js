/** Keys of `node:crypto`: KeyObjects, their forms, and how they are made. */
import { Buffer } from "./buffer.js";
import { bytesOf } from "./crypto_bytes.js";
import { later } from "./internal_callback.js";
import { algorithmOf, elements, fromPem, pkcs8OfSec1, sec1OfPkcs8, toPem } from "./crypto_der.js";
import { coded, invalidArgType, invalidArgValue, requireFunction, requireInteger } from "./errors.js";
import { host } from "./internal_host.js";
import { KEY_OBJECT, isAnyArrayBuffer, isArrayBufferView, isKeyObject } from "./util_types.js";

const MAKE = Symbol("make");
/** Names of curves: Web Crypto's, by OpenSSL's. @type {Record<string, string>} */
const CURVES = { "prime256v1": "P-256", "secp256r1": "P-256", "P-256": "P-256", "secp384r1": "P-384", "P-384": "P-384", "secp521r1": "P-521", "P-521": "P-521" };
const OPENSSL = /** @type {Record<string, string>} */ ({ "P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1" });

/** @typedef {{type: string, curve: string, bytes: Uint8Array}} Material `bytes` in the runtime's form; see `host.d.ts` */

const UNREADABLE = () => coded(Error, "ERR_OSSL_UNSUPPORTED", "error:1E08010C:DECODER routines::unsupported: the key is not in a form that can be read");
/** @template T @param {T | undefined} value @returns {T} */
const readable = (value) => {
  if (value === undefined) throw UNREADABLE();
  return value;
};

export class KeyObject {
  /** @type {Material} */
  #material;
  /** @param {"secret" | "public" | "private"} type @param {any} material @param {any} key */
  constructor(type, material, key) {
    if (key !== MAKE) throw coded(TypeError, "ERR_ILLEGAL_CONSTRUCTOR", "Illegal constructor: use createSecretKey, createPublicKey or createPrivateKey");
    this.type = type;
    this.#material = material;
  }

  get [KEY_OBJECT]() {
    return true;
  }

  /** @param {any} key @returns {Material} */
  static materialOf(key) {
    return key.#material;
  }

  get asymmetricKeyType() {
    return this.type === "secret" ? undefined : this.#material.type;
  }

  get asymmetricKeyDetails() {
    if (this.type === "secret") return undefined;
    const { type, curve, bytes } = this.#material;
    if (type === "ec") return { namedCurve: OPENSSL[curve] };
    if (!type.startsWith("rsa")) return {};
    const [n, e] = /** @type {Uint8Array[]} */ (readable(host.rsaParts(this.type === "private", bytes)));
    return { modulusLength: bitsOf(/** @type {Uint8Array} */ (n)), publicExponent: BigInt(`0x${Buffer.from(/** @type {Uint8Array} */ (e)).toString("hex")}`) };
  }

  get symmetricKeySize() {
    return this.type === "secret" ? this.#material.bytes.length : undefined;
  }

  /** @param {any} [options] @returns {any} */
  export(options = {}) {
    if (this.type === "secret") {
      if (options.format === "jwk") return { kty: "oct", k: Buffer.from(this.#material.bytes).toString("base64url") };
      return Buffer.from(this.#material.bytes);
    }
    if (options.passphrase !== undefined || options.cipher !== undefined) throw invalidArgValue("options.cipher", options.cipher, "is not supported: keys are exported without a passphrase");
    if (options.format === "jwk") return jwkOf(this.type === "private", this.#material);
    const form = options.type ?? (this.type === "private" ? "pkcs8" : "spki");
    const { label, der } = encode(this.type === "private", this.#material, form);
    return options.format === "der" ? der : toPem(label, der);
  }

  /** @param {KeyObject} other */
  equals(other) {
    if (!isKeyObject(other)) throw invalidArgType("otherKeyObject", "an instance of KeyObject", other);
    const [a, b] = [this.#material, other.#material];
    return this.type === other.type && a.type === b.type && a.curve === b.curve && a.bytes.length === b.bytes.length && host.timingSafeEqual(a.bytes, b.bytes);
  }

  /** @param {any} algorithm @param {boolean} extractable @param {string[]} usages */
  toCryptoKey(algorithm, extractable, usages) {
    const format = this.type === "secret" ? "raw" : this.type === "private" ? "pkcs8" : "spki";
    return crypto.subtle.importKey(/** @type {any} */ (format), this.export({ format: "der" }), algorithm, extractable, /** @type {any} */ (usages));
  }
}

/** @param {"secret" | "public" | "private"} type @param {Material} material */
const keyObject = (type, material) => new KeyObject(type, material, MAKE);

/** The length of a number in bits. @param {Uint8Array} bytes */
function bitsOf(bytes) {
  const from = bytes.findIndex((byte) => byte !== 0);
  return from < 0 ? 0 : (bytes.length - from) * 8 - Math.clz32(/** @type {number} */ (bytes[from])) + 24;
}

/** @param {boolean} isPrivate @param {Material} material @param {string} form */
function encode(isPrivate, { type, curve, bytes }, form) {
  const rsa = type.startsWith("rsa");
  if (form === "pkcs1" && rsa) return { label: isPrivate ? "RSA PRIVATE KEY" : "RSA PUBLIC KEY", der: Buffer.from(bytes) };
  if ((form === "spki" && !isPrivate) || (form === "pkcs8" && isPrivate) || (form === "sec1" && isPrivate && type === "ec")) {
    const der = readable(rsa ? host.rsaConvert(isPrivate ? "to pkcs8" : "to spki", bytes) : host.ecExport(curve, isPrivate, bytes));
    if (form === "sec1") return { label: "EC PRIVATE KEY", der: Buffer.from(sec1OfPkcs8(der)) };
    return { label: isPrivate ? "PRIVATE KEY" : "PUBLIC KEY", der: Buffer.from(der) };
  }
  throw invalidArgValue("options.type", form, `does not fit a ${isPrivate ? "private" : "public"} key of the type ${type}`);
}

/** @param {boolean} isPrivate @param {Material} material */
function jwkOf(isPrivate, { type, curve, bytes }) {
  const text = (/** @type {Uint8Array} */ part) => Buffer.from(part).toString("base64url");
  if (type.startsWith("rsa")) {
    const parts = /** @type {Uint8Array[]} */ (readable(host.rsaParts(isPrivate, bytes)));
    const names = isPrivate ? ["n", "e", "d", "p", "q", "dp", "dq", "qi"] : ["n", "e"];
    return Object.fromEntries([["kty", "RSA"], ...names.map((name, index) => [name, text(/** @type {Uint8Array} */ (parts[index]))])]);
  }
  const point = isPrivate ? readable(host.ecPublic(curve, bytes)) : bytes;
  const secret = isPrivate ? { d: text(bytes.subarray(0, bytes.length - point.length)) } : {};
  if (type !== "ec") return { crv: curve, x: text(point), kty: "OKP", ...secret };
  const half = (point.length - 1) / 2;
  return { crv: curve, x: text(point.subarray(1, 1 + half)), y: text(point.subarray(1 + half)), kty: "EC", ...secret };
}

/** @param {any} jwk @param {boolean} isPrivate @returns {Material} */
function fromJwk(jwk, isPrivate) {
  const part = (/** @type {string} */ name) => {
    if (typeof jwk[name] !== "string") throw coded(TypeError, "ERR_CRYPTO_INVALID_JWK", `Invalid JWK: "${name}" is missing`);
    return Buffer.from(jwk[name], "base64url");
  };
  if (jwk.kty === "RSA") {
    const bytes = isPrivate ? host.rsaBuild(part("n"), part("e"), part("d"), part("p"), part("q")) : host.rsaBuild(part("n"), part("e"));
    return { type: "rsa", curve: "", bytes: readable(bytes) };
  }
  const curve = jwk.crv;
  const type = jwk.kty === "EC" ? "ec" : `${curve}`.toLowerCase();
  if (!["P-256", "P-384", "P-521", "Ed25519", "X25519"].includes(curve)) throw coded(TypeError, "ERR_CRYPTO_INVALID_JWK", `Invalid JWK: unsupported kty ${jwk.kty} or crv ${curve}`);
  if (isPrivate) return { type, curve, bytes: readable(host.ecImport(curve, "scalar", part("d"))) };
  const point = type === "ec" ? Buffer.concat([Uint8Array.of(4), part("x"), part("y")]) : part("x");
  return { type, curve, bytes: readable(host.ecImport(curve, "raw", point)) };
}

/** @param {Uint8Array} der @param {"spki" | "pkcs8" | "pkcs1 public" | "pkcs1 private" | "sec1"} form @returns {Material} */
function fromDer(der, form) {
  if (form === "pkcs1 public" || form === "pkcs1 private") {
    readable(host.rsaParts(form === "pkcs1 private", der));
    return { type: "rsa", curve: "", bytes: der };
  }
  if (form === "sec1") return fromDer(pkcs8OfSec1(der), "pkcs8");
  const [outer] = elements(der);
  const parts = elements(outer?.content ?? new Uint8Array());
  const { type, curve } = algorithmOf(readable(parts[form === "pkcs8" ? 1 : 0]).content);
  const bytes = type.startsWith("rsa") ? host.rsaConvert(form === "pkcs8" ? "from pkcs8" : "from spki", der) : host.ecImport(curve, form, der);
  return { type, curve: type.startsWith("rsa") ? "" : curve, bytes: readable(bytes) };
}

const LABELS = /** @type {Record<string, any>} */ ({
  "EC PRIVATE KEY": "sec1",
  "PRIVATE KEY": "pkcs8",
  "PUBLIC KEY": "spki",
  "RSA PRIVATE KEY": "pkcs1 private",
  "RSA PUBLIC KEY": "pkcs1 public",
});

/** The key, and whether it is a private one, in whatever form it was given. @param {any} input @param {boolean} wantPrivate @returns {{isPrivate: boolean, material: Material}} */
function asymmetric(input, wantPrivate) {
  if (isKeyObject(input)) {
    if (input.type === "secret") throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type secret, expected ${wantPrivate ? "private" : "private or public"}.`);
    return { isPrivate: input.type === "private", material: KeyObject.materialOf(input) };
  }
  const isOptions = input !== null && typeof input === "object" && !isArrayBufferView(input) && !isAnyArrayBuffer(input);
  const { key, format, type, encoding } = isOptions ? input : { key: input, format: "pem", type: undefined, encoding: undefined };
  if (isOptions && isKeyObject(key)) return asymmetric(key, wantPrivate);
  if (format === "jwk" || (isOptions && key === undefined && input.kty !== undefined)) {
    const jwk = key ?? input;
    const isPrivate = wantPrivate || jwk.d !== undefined;
    return { isPrivate, material: fromJwk(jwk, isPrivate) };
  }
  const bytes = bytesOf(key, "key", encoding);
  if (format === "der") {
    const form = type === "pkcs1" ? `pkcs1 ${wantPrivate ? "private" : "public"}` : (type ?? (wantPrivate ? "pkcs8" : "spki"));
    return { isPrivate: wantPrivate || form === "pkcs8" || form === "sec1", material: fromDer(bytes, form) };
  }
  const { label, der } = fromPem(Buffer.from(bytes).toString());
  const form = LABELS[label];
  if (form === undefined) throw coded(Error, "ERR_OSSL_UNSUPPORTED", `A PEM block with the label "${label}" is not a key that can be read.`);
  return { isPrivate: form !== "spki" && form !== "pkcs1 public", material: fromDer(der, form) };
}

/** @param {Material} material of a private key @returns {Material} */
function publicOf({ type, curve, bytes }) {
  return { type, curve, bytes: readable(type.startsWith("rsa") ? host.rsaPublic(bytes) : host.ecPublic(curve, bytes)) };
}

/** For signing and decrypting. @param {any} input @returns {Material} */
export function privateMaterial(input) {
  const { isPrivate, material } = asymmetric(input, true);
  if (!isPrivate) throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", "Invalid key object type public, expected private.");
  return material;
}

/** For verifying and encrypting; a private key has its public one in it. @param {any} input @returns {Material} */
export function publicMaterial(input) {
  const { isPrivate, material } = asymmetric(input, false);
  return isPrivate ? publicOf(material) : material;
}

/** The bytes of a secret key, or of what stands for one. @param {any} key @param {string} name @returns {Uint8Array} */
export function secretOf(key, name) {
  if (isKeyObject(key)) {
    if (key.type !== "secret") throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${key.type}, expected secret.`);
    return KeyObject.materialOf(key).bytes;
  }
  return bytesOf(key, name);
}

/** @param {any} key @param {any} [encoding] */
export const createSecretKey = (key, encoding) => keyObject("secret", { type: "secret", curve: "", bytes: Buffer.from(bytesOf(key, "key", encoding)) });
/** @param {any} key */
export const createPrivateKey = (key) => keyObject("private", privateMaterial(key));
/** @param {any} key */
export const createPublicKey = (key) => keyObject("public", publicMaterial(key));

/** @param {string} type @param {any} options @returns {Material} */
function generated(type, options) {
  if (type === "rsa" || type === "rsa-pss") {
    requireInteger(options?.modulusLength, "options.modulusLength", 2048, 8192);
    const exponent = options.publicExponent ?? 65537;
    return { type: "rsa", curve: "", bytes: readable(host.rsaGenerate(options.modulusLength, exponent)) };
  }
  const curve = type === "ec" ? CURVES[options?.namedCurve] : type === "ed25519" ? "Ed25519" : type === "x25519" ? "X25519" : undefined;
  if (curve === undefined) throw type === "ec" ? coded(TypeError, "ERR_CRYPTO_INVALID_CURVE", `Invalid EC curve name: ${options?.namedCurve}`) : invalidArgValue("type", type, "must be a supported key type");
  return { type, curve, bytes: readable(host.ecGenerate(curve)) };
}

/** @param {string} type @param {any} [options] */
export function generateKeyPairSync(type, options = {}) {
  const material = generated(type, options);
  const privateKey = keyObject("private", material);
  const publicKey = keyObject("public", publicOf(material));
  return {
    publicKey: options.publicKeyEncoding === undefined ? publicKey : publicKey.export(options.publicKeyEncoding),
    privateKey: options.privateKeyEncoding === undefined ? privateKey : privateKey.export(options.privateKeyEncoding),
  };
}
/** @param {string} type @param {any} options @param {any} callback */
export function generateKeyPair(type, options, callback) {
  requireFunction(callback, "callback");
  later((error, pair) => (error ? callback(error) : callback(null, pair.publicKey, pair.privateKey)), () => generateKeyPairSync(type, options));
}
Object.defineProperty(generateKeyPair, Symbol.for("nodejs.util.promisify.custom"), {
  value: async (/** @type {string} */ type, /** @type {any} */ options) => generateKeyPairSync(type, options),
});

/** @param {"hmac" | "aes"} type @param {{length: number}} options in bits */
export function generateKeySync(type, { length }) {
  if (type === "aes" && ![128, 192, 256].includes(length)) throw invalidArgValue("options.length", length, "must be one of 128, 192, 256");
  requireInteger(length, "options.length", 8, 2 ** 19);
  return createSecretKey(host.randomBytes(Math.trunc(length / 8)));
}
/** @param {"hmac" | "aes"} type @param {{length: number}} options @param {any} callback */
export function generateKey(type, options, callback) {
  requireFunction(callback, "callback");
  later(callback, () => generateKeySync(type, options));
}

export const getCurves = () => ["prime256v1", "secp384r1", "secp521r1"];

/** What two keys agree on. @param {{privateKey: any, publicKey: any}} keys */
export function diffieHellman({ privateKey, publicKey }) {
  const [mine, theirs] = [privateMaterial(privateKey), publicMaterial(publicKey)];
  if (mine.curve !== theirs.curve || mine.curve === "" || mine.curve === "Ed25519") throw coded(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY", "Incompatible key types for Diffie-Hellman");
  return Buffer.from(readable(host.ecAgree(mine.curve, mine.bytes, theirs.bytes)));
}

/** @param {any} curve */
export const curveNamed = (curve) => CURVES[curve];
