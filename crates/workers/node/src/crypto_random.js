/** Random numbers of `node:crypto`, and what compares without telling. */
import { Buffer } from "./buffer.js";
import { later } from "./internal_callback.js";
import { coded, invalidArgType, outOfRange, requireFunction, requireInteger } from "./errors.js";
import { host } from "./internal_host.js";
import { isAnyArrayBuffer, isArrayBufferView } from "./util_types.js";

/** As many as the runtime gives at once. */
const PIECE = 65536;

/** @param {any} target @param {number} [offset] @param {number} [size] */
export function randomFillSync(target, offset = 0, size = undefined) {
  if (!isArrayBufferView(target) && !isAnyArrayBuffer(target)) throw invalidArgType("buf", "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", target);
  const unit = /** @type {any} */ (target).BYTES_PER_ELEMENT ?? 1;
  const all = isArrayBufferView(target) ? new Uint8Array(target.buffer, target.byteOffset, target.byteLength) : new Uint8Array(target);
  const from = offset * unit;
  const to = size === undefined ? all.length : from + size * unit;
  requireInteger(from, "offset", 0, all.length);
  requireInteger(to, "size + offset", from, all.length);
  for (let at = from; at < to; at += PIECE) all.set(host.randomBytes(Math.min(PIECE, to - at)), at);
  return target;
}
/** @param {any} target @param {any[]} rest */
export function randomFill(target, ...rest) {
  const callback = rest.pop();
  requireFunction(callback, "callback");
  later(callback, () => randomFillSync(target, ...rest));
}
/** @param {number} size @param {(error: any, bytes?: any) => void} [callback] */
export function randomBytes(size, callback) {
  requireInteger(size, "size", 0, 2 ** 31 - 1);
  if (callback === undefined) return randomFillSync(Buffer.alloc(size));
  requireFunction(callback, "callback");
  return later(callback, () => randomFillSync(Buffer.alloc(size)));
}
export const pseudoRandomBytes = randomBytes;
export const randomUUID = () => host.randomUuid();

/** @param {number} least @param {any} [most] excluded @param {any} [callback] */
export function randomInt(least, most, callback) {
  if (most === undefined || typeof most === "function") [least, most, callback] = [0, least, most];
  requireInteger(least, "min");
  requireInteger(most, "max");
  const range = most - least;
  if (!(range > 0)) throw outOfRange("max", `greater than the value of "min" (${least})`, most);
  if (range > 2 ** 48 - 1) throw outOfRange("max - min", `<= ${2 ** 48 - 1}`, range);
  const draw = () => {
    // What is above the largest multiple of the range is drawn again, so that every number is as likely.
    const fair = 2 ** 48 - (2 ** 48 % range);
    for (;;) {
      const number = Buffer.from(host.randomBytes(6)).readUIntBE(0, 6);
      if (number < fair) return least + (number % range);
    }
  };
  if (callback === undefined) return draw();
  return later(callback, draw);
}

/** @param {any} a @param {any} b */
export function timingSafeEqual(a, b) {
  const bytes = (/** @type {any} */ value, /** @type {string} */ name) => {
    if (isArrayBufferView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (isAnyArrayBuffer(value)) return new Uint8Array(value);
    throw invalidArgType(name, "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", value);
  };
  const [left, right] = [bytes(a, "buf1"), bytes(b, "buf2")];
  if (left.length !== right.length) throw coded(RangeError, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
  return host.timingSafeEqual(left, right);
}
