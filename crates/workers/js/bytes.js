/** Bytes and text. */
import host from "./host_object.js";
import { Uint8Array, typedArrayByteLength, typedArraySet, typedArraySlice } from "./primordials.js";

/** UTF-8 of a text; lone surrogates become U+FFFD. @param {string} text */
export function utf8Encode(text) {
  return /** @type {Uint8Array<ArrayBuffer>} */ (host.utf8Encode(text));
}

/** The text of UTF-8 with replacement, without byte order mark. @param {Uint8Array} bytes */
export function utf8Decode(bytes) {
  return host.utf8Decode(bytes, false);
}

/** One array of all. @param {Uint8Array[]} parts */
export function concat(parts) {
  let length = 0;
  for (let i = 0; i < parts.length; i++) length += typedArrayByteLength(parts[i]);
  const whole = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < parts.length; i++) {
    const part = /** @type {Uint8Array} */ (parts[i]);
    typedArraySet(whole, part, at);
    at += typedArrayByteLength(part);
  }
  return whole;
}

/** @param {Uint8Array} bytes */
export function copy(bytes) {
  return typedArraySlice(bytes);
}

