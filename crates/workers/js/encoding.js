/** TextEncoder and TextDecoder (https://encoding.spec.whatwg.org/#api). The decoders are the host's. */
import { utf8Encode } from "./bytes.js";
import host from "./host_object.js";
import { RangeError, TypeError, Uint8Array, charCodeAt, isUint8Array, toLowerCase, typedArrayLength } from "./primordials.js";
import { trimmed } from "./headers.js";
import { defineInterface, requireArguments, toDictionary, toDOMString, viewOf } from "./webidl.js";

export class TextEncoder {
  #self = true;

  get encoding() {
    void this.#self;
    return "utf-8";
  }

  /** @param {any} [input] */
  encode(input = undefined) {
    void this.#self;
    return utf8Encode(input === undefined ? "" : toDOMString(input));
  }

  /** @param {any} source @param {Uint8Array} destination */
  encodeInto(source, destination) {
    void this.#self;
    requireArguments(arguments.length, 2, "TextEncoder.encodeInto");
    const text = toDOMString(source);
    if (!isUint8Array(destination)) throw new TypeError("TextEncoder.encodeInto: the destination is not a Uint8Array.");
    return encodeInto(text, destination);
  }
}
defineInterface(TextEncoder);

/** @param {string} text @param {Uint8Array} bytes */
function encodeInto(text, bytes) {
  const room = typedArrayLength(bytes);
  let read = 0;
  let written = 0;
  while (read < text.length) {
    let code = charCodeAt(text, read);
    let units = 1;
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code <= 0xdbff && read + 1 < text.length ? charCodeAt(text, read + 1) : 0;
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        units = 2;
      } else {
        code = 0xfffd;
      }
    }
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (written + size > room) break;
    if (size === 1) {
      bytes[written] = code;
    } else {
      const lead = size === 2 ? 0xc0 : size === 3 ? 0xe0 : 0xf0;
      bytes[written] = lead | (code >> (6 * (size - 1)));
      for (let i = 1; i < size; i++) bytes[written + i] = 0x80 | ((code >> (6 * (size - 1 - i))) & 0x3f);
    }
    written += size;
    read += units;
  }
  return { read, written };
}

/** Labels of UTF-8, the encoding that needs no decoder of its own. */
const UTF8_LABELS = {
  __proto__: null,
  "unicode-1-1-utf-8": true,
  unicode11utf8: true,
  unicode20utf8: true,
  "utf-8": true,
  utf8: true,
  "x-unicode20utf8": true,
};

/** @param {string} label @param {boolean} fatal @param {boolean} ignoreBom */
function createDecoder(label, fatal, ignoreBom) {
  const created = host.decoderCreate(label, fatal, ignoreBom);
  if (created === undefined) throw new RangeError(`"${label}" is not a valid encoding.`);
  return created;
}

/** The canonical name of a label's encoding. @param {string} label */
function encodingOf(label) {
  const plain = toLowerCase(trimmed(label));
  if (plain in UTF8_LABELS) return "utf-8";
  const created = createDecoder(label, false, false);
  host.decoderDrop(created[0]);
  return toLowerCase(created[1]);
}

export class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBom;
  /** The host's decoder, between a chunk and its last one. */
  #decoder = 0;
  #streaming = false;

  /** @param {any} [label] @param {any} [options] */
  constructor(label = "utf-8", options = undefined) {
    this.#encoding = encodingOf(toDOMString(label));
    const dictionary = toDictionary(options, "TextDecoder constructor: the options");
    this.#fatal = !!dictionary.fatal;
    this.#ignoreBom = !!dictionary.ignoreBOM;
  }

  get encoding() {
    return this.#encoding;
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#ignoreBom;
  }

  /** @param {any} [input] @param {any} [options] */
  decode(input = undefined, options = undefined) {
    const encoding = this.#encoding;
    const bytes = input === undefined ? new Uint8Array(0) : viewOf(input, "TextDecoder.decode: the input", true);
    const stream = !!toDictionary(options, "TextDecoder.decode: the options").stream;
    if (!stream && !this.#streaming && encoding === "utf-8" && !this.#fatal) {
      return host.utf8Decode(bytes, this.#ignoreBom);
    }
    if (!this.#streaming) this.#decoder = createDecoder(encoding, this.#fatal, this.#ignoreBom)[0];
    this.#streaming = stream;
    const text = host.decoderDecode(this.#decoder, bytes, !stream);
    if (!stream || text === undefined) {
      this.#streaming = false;
      host.decoderDrop(this.#decoder);
    }
    if (text === undefined) throw new TypeError(`The encoded data was not valid ${encoding}.`);
    return text;
  }
}
defineInterface(TextDecoder);
