/** DER (X.690) and PEM (RFC 7468), as far as keys need them. */
import { Buffer } from "./buffer.js";
import { coded } from "./errors.js";

const UNREADABLE = () => coded(Error, "ERR_OSSL_UNSUPPORTED", "error:1E08010C:DECODER routines::unsupported: the key is not in a form that can be read");

/** The elements in some DER: tag, content, and the element whole. @param {Uint8Array} bytes */
export function elements(bytes) {
  /** @type {{tag: number, content: Uint8Array, whole: Uint8Array}[]} */
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = /** @type {number} */ (bytes[at]);
    let length = bytes[at + 1] ?? -1;
    let from = at + 2;
    if (length & 0x80) {
      const count = length & 0x7f;
      length = 0;
      if (count === 0 || count > 4) throw UNREADABLE();
      for (let i = 0; i < count; i++) length = length * 256 + (bytes[from + i] ?? NaN);
      from += count;
    }
    if (!(length >= 0) || from + length > bytes.length) throw UNREADABLE();
    found.push({ tag, content: bytes.subarray(from, from + length), whole: bytes.subarray(at, from + length) });
    at = from + length;
  }
  return found;
}

/** @param {number} tag @param {Uint8Array[]} contents */
export function element(tag, ...contents) {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : length < 0x10000 ? [0x82, length >> 8, length & 0xff] : [0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
  return Buffer.concat([Uint8Array.from([tag, ...size]), content]);
}

/** A positive integer. @param {Uint8Array} bytes big-endian */
export function integer(bytes) {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
  const short = bytes.subarray(from);
  return element(2, /** @type {number} */ (short[0]) & 0x80 ? Buffer.concat([Uint8Array.of(0), short]) : short);
}

/** The label and content of PEM text. @param {string} text */
export function fromPem(text) {
  const match = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/.exec(text);
  if (match === null) throw UNREADABLE();
  const body = /** @type {string} */ (match[2]);
  if (body.includes("ENCRYPTED") || match[1] === "ENCRYPTED PRIVATE KEY") {
    throw coded(TypeError, "ERR_MISSING_PASSPHRASE", "Encrypted private keys cannot be read: remove the passphrase first (openssl pkey -in KEY).");
  }
  return { label: /** @type {string} */ (match[1]), der: Buffer.from(body, "base64") };
}

/** @param {string} label @param {Uint8Array} der */
export function toPem(label, der) {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const OIDS = /** @type {Record<string, string>} */ ({
  "2a864886f70d010101": "rsa",
  "2a864886f70d01010a": "rsa-pss",
  "2a8648ce3d0201": "ec",
  "2b6570": "ed25519",
  "2b656e": "x25519",
  "2a8648ce3d030107": "P-256",
  "2b81040022": "P-384",
  "2b81040023": "P-521",
});

/** What the algorithm identifier of a key says. @param {Uint8Array} content of its SEQUENCE @returns {{type: string, curve: string}} */
export function algorithmOf(content) {
  const [oid, parameter] = elements(content);
  const type = OIDS[Buffer.from(oid?.content ?? []).toString("hex")];
  const curve = type === "ec" ? OIDS[Buffer.from(parameter?.content ?? []).toString("hex")] : type === "ed25519" ? "Ed25519" : "X25519";
  if (type === undefined || curve === undefined) throw coded(Error, "ERR_OSSL_UNSUPPORTED", "The key is of an algorithm or curve that is not supported (RSA, P-256, P-384, P-521, Ed25519 and X25519 are).");
  return { type, curve };
}

/** The PKCS #8 form of an EC private key in the form of SEC 1. @param {Uint8Array} der */
export function pkcs8OfSec1(der) {
  const [outer] = elements(der);
  const parameters = elements(outer?.content ?? new Uint8Array()).find(({ tag }) => tag === 0xa0);
  if (parameters === undefined) throw UNREADABLE();
  const algorithm = element(0x30, Buffer.from("06072a8648ce3d0201", "hex"), parameters.content);
  return element(0x30, Buffer.from("020100", "hex"), algorithm, element(4, der));
}

/** The SEC 1 form inside of the PKCS #8 form. @param {Uint8Array} der */
export function sec1OfPkcs8(der) {
  const [outer] = elements(der);
  const inner = elements(outer?.content ?? new Uint8Array());
  const [sequence] = elements(inner[2]?.content ?? new Uint8Array());
  const [, parameters] = elements(inner[1]?.content ?? new Uint8Array());
  const parts = elements(sequence?.content ?? new Uint8Array()).map(({ whole }) => whole);
  if (parameters === undefined || parts.length < 2) throw UNREADABLE();
  if (!parts.some((part) => part[0] === 0xa0)) parts.splice(2, 0, element(0xa0, parameters.whole));
  return element(0x30, ...parts);
}

/** An ECDSA signature r || s as DER. @param {Uint8Array} raw */
export const derSignature = (raw) => element(0x30, integer(raw.subarray(0, raw.length / 2)), integer(raw.subarray(raw.length / 2)));

/** An ECDSA signature in DER as r || s; undefined when it is none. @param {Uint8Array} der @param {number} size of each in bytes */
export function rawSignature(der, size) {
  try {
    const [sequence] = elements(der);
    const numbers = elements(sequence?.content ?? new Uint8Array()).map(({ content }) => content);
    if (numbers.length !== 2) return undefined;
    const raw = new Uint8Array(2 * size);
    for (const [index, number] of numbers.entries()) {
      const short = number.length > size ? number.subarray(number.length - size) : number;
      raw.set(short, (index + 1) * size - short.length);
    }
    return raw;
  } catch {
    return undefined;
  }
}
