/** What the rooms of `node:crypto` share: names of hashes, arguments as bytes, results in encodings. */
import { Buffer } from "./buffer.js";
import { coded, invalidArgType } from "./errors.js";
import { isAnyArrayBuffer, isArrayBufferView } from "./util_types.js";

/** The runtime's names of hashes, and the lengths of their blocks and digests in bytes. @type {Record<string, {name: string, block: number, length: number}>} */
export const HASHES = {
  md5: { name: "MD5", block: 64, length: 16 },
  sha1: { name: "SHA-1", block: 64, length: 20 },
  sha256: { name: "SHA-256", block: 64, length: 32 },
  sha384: { name: "SHA-384", block: 128, length: 48 },
  sha512: { name: "SHA-512", block: 128, length: 64 },
};

/** @param {any} name as Node.js and OpenSSL write it: `sha256`, `SHA-256`, `RSA-SHA256` */
export function hashOf(name) {
  if (typeof name !== "string") throw invalidArgType("algorithm", "of type string", name);
  const hash = HASHES[name.toLowerCase().replace(/^rsa-/, "").replace("sha-", "sha")];
  if (hash === undefined) {
    throw coded(Error, "ERR_OSSL_EVP_UNSUPPORTED", `Digest method not supported: ${name}. Supported are ${Object.keys(HASHES).join(", ")}.`);
  }
  return hash;
}

/** @param {any} data @param {string} name @param {any} [encoding] @returns {Uint8Array} */
export function bytesOf(data, name, encoding) {
  if (typeof data === "string") return Buffer.from(data, encoding === "buffer" ? undefined : encoding);
  if (isArrayBufferView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (isAnyArrayBuffer(data)) return new Uint8Array(data);
  throw invalidArgType(name, "of type string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView", data);
}

/** @param {Uint8Array} bytes @param {any} [encoding] @returns {any} */
export function encoded(bytes, encoding) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return encoding === undefined || encoding === "buffer" ? buffer : buffer.toString(encoding);
}
