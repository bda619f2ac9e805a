/**
 * `node:buffer` (https://nodejs.org/api/buffer.html): the `buffer` package, with the encodings that the engine has natively done by it, and
 * what Node.js has added since.
 */
import feross from "buffer/index.js";
import { coded, invalidArgType, requireInteger } from "./errors.js";
import { isAnyArrayBuffer, isArrayBufferView } from "./util_types.js";

export const { Buffer, SlowBuffer } = feross;
export const { Blob, File, atob, btoa } = globalThis;
export const kMaxLength = 2 ** 32;
/** The longest string of the engine. */
export const kStringMaxLength = 2 ** 30 - 2;
export const constants = { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: kStringMaxLength };
export const INSPECT_MAX_BYTES = 50;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const original = {
  from: Buffer.from,
  byteLength: Buffer.byteLength,
  isEncoding: Buffer.isEncoding,
  toString: Buffer.prototype.toString,
  write: Buffer.prototype.write,
  inspect: Buffer.prototype.inspect,
  compare: Buffer.compare,
  concat: Buffer.concat,
  compareTo: Buffer.prototype.compare,
  copy: Buffer.prototype.copy,
};

/** @param {any} encoding */
const nameOf = (encoding) => {
  const name = encoding === undefined || encoding === null || encoding === "" ? "utf8" : `${encoding}`.toLowerCase();
  return name === "utf-8" ? "utf8" : name;
};

/** A Buffer on the memory of some bytes. @param {Uint8Array} bytes */
const adopt = (bytes) => original.from.call(Buffer, bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @param {any} value @param {any} [encoding] @param {any} [length] */
Buffer.from = function from(value, encoding, length) {
  if (typeof value !== "string") return original.from.call(Buffer, value, encoding, length);
  const name = nameOf(encoding);
  if (name === "utf8") return adopt(encoder.encode(value));
  return original.from.call(Buffer, value, name === "base64url" ? "base64" : encoding);
};

/** @param {any} encoding */
Buffer.isEncoding = (encoding) => original.isEncoding(encoding) || `${encoding}`.toLowerCase() === "base64url";

/** @param {any} value @param {any} [encoding] */
Buffer.byteLength = (value, encoding) => {
  if (typeof value !== "string" && !isArrayBufferView(value) && !isAnyArrayBuffer(value)) {
    throw invalidArgType("string", "of type string or an instance of Buffer or ArrayBuffer", value);
  }
  if (typeof value === "string" && nameOf(encoding) === "utf8") return encoder.encode(value).length;
  return original.byteLength(value, nameOf(encoding) === "base64url" ? "base64" : encoding);
};

/** @this {any} @param {any} [encoding] @param {any} [start] @param {any} [end] */
Buffer.prototype.toString = function toString(encoding, start = 0, end = this.length) {
  const from = Math.min(Math.max(Math.trunc(+start) || 0, 0), this.length);
  const to = Math.min(Math.max(Math.trunc(+end) || 0, 0), this.length);
  if (to <= from) return "";
  const bytes = from === 0 && to === this.length ? this : Uint8Array.prototype.subarray.call(this, from, to);
  switch (nameOf(encoding)) {
    case "utf8":
      return decoder.decode(bytes);
    case "hex":
      return /** @type {any} */ (Uint8Array.prototype).toHex.call(bytes);
    case "base64":
      return /** @type {any} */ (Uint8Array.prototype).toBase64.call(bytes);
    case "base64url":
      return /** @type {any} */ (Uint8Array.prototype).toBase64.call(bytes, { alphabet: "base64url", omitPadding: true });
    default:
      return original.toString.call(this, encoding, from, to);
  }
};
Buffer.prototype.toLocaleString = Buffer.prototype.toString;

/** @this {any} @param {any} text @param {any} [offset] @param {any} [length] @param {any} [encoding] */
Buffer.prototype.write = function write(text, offset, length, encoding) {
  const values = [text, offset, length, encoding].map((value) => (typeof value === "string" && value.toLowerCase() === "base64url" ? "base64" : value));
  values[0] = text;
  while (values.length > 1 && values[values.length - 1] === undefined) values.pop();
  return Reflect.apply(original.write, this, values);
};
Buffer.prototype[Symbol.for("nodejs.util.inspect.custom")] = original.inspect;

/** Any `Uint8Array` will do where the package wants a Buffer. @param {any} value @param {string} name */
function bufferOf(value, name) {
  if (Buffer.isBuffer(value)) return value;
  if (!(value instanceof Uint8Array)) throw invalidArgType(name, "an instance of Buffer or Uint8Array", value);
  return adopt(value);
}
/** @param {any} one @param {any} other */
Buffer.compare = (one, other) => original.compare(bufferOf(one, "buf1"), bufferOf(other, "buf2"));
/** @param {any} list @param {number} [length] */
Buffer.concat = (list, length) => {
  if (!Array.isArray(list)) throw invalidArgType("list", "an instance of Array", list);
  for (const [index, one] of list.entries()) if (!(one instanceof Uint8Array)) throw invalidArgType(`list[${index}]`, "an instance of Buffer or Uint8Array", one);
  if (length !== undefined) requireInteger(length, "length", 0);
  return original.concat(list, length);
};
/** @this {any} @param {any} other */
Buffer.prototype.equals = function equals(other) {
  return this === other || original.compare(this, bufferOf(other, "otherBuffer")) === 0;
};
/** @this {any} @param {any} other @param {any[]} range */
Buffer.prototype.compare = function compare(other, ...range) {
  const names = ["targetStart", "targetEnd", "sourceStart", "sourceEnd"];
  for (const [index, value] of range.entries()) if (value !== undefined) requireInteger(value, /** @type {string} */ (names[index]), 0);
  return Reflect.apply(original.compareTo, this, [bufferOf(other, "target"), ...range]);
};
/** @this {any} @param {any} target @param {any[]} range */
Buffer.prototype.copy = function copy(target, ...range) {
  return Reflect.apply(original.copy, this, [bufferOf(target, "target"), ...range]);
};

/** @param {any} view @param {number} [offset] @param {number} [length] */
Buffer.copyBytesFrom = (view, offset = 0, length = view.length - offset) => {
  if (!isArrayBufferView(view)) throw invalidArgType("view", "an instance of TypedArray", view);
  const part = /** @type {any} */ (view).subarray(offset, offset + length);
  return Buffer.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
};
Buffer.poolSize = 8192;

/** @param {any} input */
function viewOf(input) {
  if (isArrayBufferView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  if (isAnyArrayBuffer(input)) return new Uint8Array(input);
  throw invalidArgType("input", "an instance of ArrayBuffer, Buffer, or TypedArray", input);
}

/** @param {any} input */
export function isUtf8(input) {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(viewOf(input));
    return true;
  } catch (error) {
    if (/** @type {any} */ (error)?.code === "ERR_INVALID_ARG_TYPE") throw error;
    return false;
  }
}

/** @param {any} input */
export const isAscii = (input) => viewOf(input).every((/** @type {number} */ byte) => byte < 0x80);

const TRANSCODED = ["utf8", "utf16le", "ucs2", "ucs-2", "utf-16le", "latin1", "binary", "ascii"];
/** @param {any} source @param {string} from @param {string} to */
export function transcode(source, from, to) {
  const bytes = Buffer.from(viewOf(source));
  const [before, after] = [nameOf(from), nameOf(to)];
  if (!TRANSCODED.includes(before) || !TRANSCODED.includes(after)) {
    throw coded(Error, "U_ILLEGAL_ARGUMENT_ERROR", `Unable to transcode Buffer [U_ILLEGAL_ARGUMENT_ERROR]`);
  }
  const text = bytes.toString(before);
  // What the narrow encodings do not have becomes a question mark.
  const most = after === "ascii" ? 0x7f : after === "latin1" || after === "binary" ? 0xff : 0x10ffff;
  const fitting = most === 0x10ffff ? text : Array.from(text, (/** @type {string} */ letter) => (/** @type {number} */ (letter.codePointAt(0)) > most ? "?" : letter)).join("");
  return Buffer.from(fitting, after);
}

/** Object URLs do not exist in Workers. @param {string} _id */
export const resolveObjectURL = (_id) => undefined;

export default {
  Blob, Buffer, File, INSPECT_MAX_BYTES, SlowBuffer, atob, btoa, constants, isAscii, isUtf8, kMaxLength, kStringMaxLength, resolveObjectURL, transcode,
};
