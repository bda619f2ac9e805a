/** `node:string_decoder` (https://nodejs.org/api/string_decoder.html): characters that are cut in two by the ends of chunks. */
import { Buffer } from "./buffer.js";
import { coded, invalidArgType } from "./errors.js";
import { isArrayBufferView } from "./util_types.js";

/** How many bytes belong together, for the encodings where that is more than one. @type {Record<string, number>} */
const GROUPS = { base64: 3, base64url: 3, utf16le: 2 };
/** @type {Record<string, string>} */
const NAMES = { utf8: "utf8", "utf-8": "utf8", ucs2: "utf16le", "ucs-2": "utf16le", utf16le: "utf16le", "utf-16le": "utf16le", latin1: "latin1", binary: "latin1", base64: "base64", base64url: "base64url", ascii: "ascii", hex: "hex" };
/** With an ending chunk, the decoder of UTF-8 says itself what is incomplete. */
const UTF8 = { ignoreBOM: true };

/** How many bytes a UTF-8 sequence has that begins so; 0 where none begins. @param {number} byte */
const lengthOf = (byte) => (byte >= 0xc2 && byte <= 0xdf ? 2 : byte >= 0xe0 && byte <= 0xef ? 3 : byte >= 0xf0 && byte <= 0xf4 ? 4 : 0);
/** Whether `second` may follow `first` in UTF-8. @param {number} first @param {number} second */
function mayFollow(first, second) {
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most;
}

/** How many bytes at the end begin a character that may still become whole. @param {Uint8Array} bytes */
function incompleteAtEnd(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = /** @type {number} */ (bytes[bytes.length - back]);
    if ((byte & 0xc0) === 0x80) continue;
    const needed = lengthOf(byte);
    const fits = back === 1 || mayFollow(byte, /** @type {number} */ (bytes[bytes.length - back + 1]));
    return needed > back && fits ? back : 0;
  }
  return 0;
}

class Decoder {
  /** What waits for more. @type {Uint8Array} */
  #rest = new Uint8Array(0);
  #utf8 = new TextDecoder("utf-8", UTF8);

  /** @param {any} [encoding] */
  constructor(encoding = undefined) {
    const name = NAMES[encoding === undefined || encoding === null || encoding === "" ? "utf8" : `${encoding}`.toLowerCase()];
    if (name === undefined) throw coded(TypeError, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
    this.encoding = name;
  }

  /** Room for what waits, and how much of it is missing. */
  get lastNeed() {
    const [first = 0] = this.#rest;
    const whole = this.encoding === "utf8" ? lengthOf(first) : this.encoding === "utf16le" && this.#rest.length >= 2 ? 4 : (GROUPS[this.encoding] ?? 1);
    return this.#rest.length === 0 ? 0 : whole - this.#rest.length;
  }

  get lastTotal() {
    return this.#rest.length + this.lastNeed;
  }

  get lastChar() {
    return Buffer.concat([this.#rest, Buffer.alloc(Math.max(4 - this.#rest.length, 0))]);
  }

  /** @param {any} chunk @returns {string} */
  write(chunk) {
    if (typeof chunk === "string") return chunk;
    if (!isArrayBufferView(chunk)) throw invalidArgType("buf", "an instance of Buffer, TypedArray, or DataView", chunk);
    let bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#rest.length > 0) bytes = Buffer.concat([this.#rest, bytes]);
    let waiting;
    if (this.encoding === "utf8") {
      waiting = incompleteAtEnd(bytes);
    } else if (this.encoding === "utf16le") {
      waiting = bytes.length % 2;
      // A high surrogate waits for the low one.
      const last = bytes[bytes.length - waiting - 1] ?? 0;
      if (bytes.length - waiting >= 2 && last >= 0xd8 && last <= 0xdb) waiting += 2;
    } else {
      waiting = bytes.length % (GROUPS[this.encoding] ?? 1);
    }
    this.#rest = bytes.slice(bytes.length - waiting);
    return this.#text(bytes.subarray(0, bytes.length - waiting));
  }

  /** @param {any} [chunk] @returns {string} */
  end(chunk) {
    const text = chunk === undefined ? "" : this.write(chunk);
    const rest = this.#rest;
    this.#rest = new Uint8Array(0);
    return rest.length === 0 ? text : text + this.#text(this.encoding === "utf16le" ? rest.subarray(0, rest.length - (rest.length % 2)) : rest);
  }

  /** @param {Uint8Array} bytes */
  #text(bytes) {
    if (this.encoding === "utf8") return this.#utf8.decode(bytes);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(this.encoding);
  }

  /** @param {any} chunk @param {number} offset */
  text(chunk, offset) {
    this.#rest = new Uint8Array(0);
    return this.write(chunk.slice(offset));
  }
}

/** Callable on an object that inherits from it, as in Node.js. @type {any} */
export const StringDecoder = new Proxy(Decoder, {
  apply: (target, self, values) => Object.setPrototypeOf(self ?? {}, Reflect.construct(target, values)),
});
export default { StringDecoder };
