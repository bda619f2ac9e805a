/**
 * Web IDL in JavaScript: conversions of arguments, and what makes a class look as an interface does
 * (https://webidl.spec.whatwg.org/).
 */
import {
  SymbolIterator,
  SymbolToStringTag,
  String,
  TypeError,
  abs,
  apply,
  arrayBufferDetached,
  arrayBufferResizable,
  charCodeAt,
  dataViewBuffer,
  dataViewByteLength,
  dataViewByteOffset,
  defineProperty,
  floor,
  getPrototypeOf,
  setAdd,
  setHas,
  Set,
  getOwnPropertyDescriptor,
  getOwnPropertyNames,
  isArrayBuffer,
  isFinite,
  isSharedArrayBuffer,
  isView,
  max,
  min,
  toWellFormed,
  trunc,
  typedArrayBuffer,
  typedArrayByteLength,
  typedArrayByteOffset,
  typedArrayName,
  Uint8Array,
  promiseReject,
} from "./primordials.js";

/** The key that makes a constructor which scripts may not call. */
export const INTERNAL = Symbol("internal");

/** @returns {never} */
export function illegalConstructor() {
  throw new TypeError("Illegal constructor");
}

const platformPrototypes = new Set();

/** Whether an object is of one of the interfaces, or of a class that extends one. @param {any} object */
export function isPlatformObject(object) {
  for (let at = getPrototypeOf(object); at !== null; at = getPrototypeOf(at)) {
    if (setHas(platformPrototypes, at)) return true;
  }
  return false;
}

/**
 * Gives a class the property attributes of an interface: its operations and attributes are enumerable, it has a
 * `Symbol.toStringTag`.
 * @param {any} Class
 * @param {{tag?: string, constants?: Record<string, number>}} [options]
 */
export function defineInterface(Class, options) {
  setAdd(platformPrototypes, Class.prototype);
  makeEnumerable(Class.prototype);
  const names = getOwnPropertyNames(Class);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    if (name === "length" || name === "name" || name === "prototype") continue;
    setEnumerable(Class, name);
  }
  defineProperty(Class.prototype, SymbolToStringTag, {
    value: options?.tag ?? Class.name,
    writable: false,
    enumerable: false,
    configurable: true,
  });
  const constants = options?.constants;
  if (constants !== undefined) {
    const names = getOwnPropertyNames(constants);
    for (let i = 0; i < names.length; i++) {
      const name = /** @type {string} */ (names[i]);
      const descriptor = { value: constants[name], writable: false, enumerable: true, configurable: false };
      defineProperty(Class, name, descriptor);
      defineProperty(Class.prototype, name, descriptor);
    }
  }
}

/** @param {object} prototype */
export function makeEnumerable(prototype) {
  const names = getOwnPropertyNames(prototype);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    if (name !== "constructor") setEnumerable(prototype, name);
  }
}

/** @param {object} object @param {string} name */
function setEnumerable(object, name) {
  const descriptor = getOwnPropertyDescriptor(object, name);
  if (descriptor === undefined || descriptor.enumerable || !descriptor.configurable) return;
  descriptor.enumerable = true;
  defineProperty(object, name, descriptor);
}

/** @param {number} given @param {number} needed @param {string} where */
export function requireArguments(given, needed, where) {
  if (given < needed) {
    throw new TypeError(`${where}: ${needed} argument${needed === 1 ? "" : "s"} required, but only ${given} present.`);
  }
}

/** @param {any} value */
export function isObject(value) {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** DOMString. @param {any} value @returns {string} */
export function toDOMString(value) {
  if (typeof value === "string") return value;
  if (typeof value === "symbol") throw new TypeError("Cannot convert a Symbol value to a string");
  return `${value}`;
}

/** USVString. @param {any} value @returns {string} */
export function toUSVString(value) {
  return toWellFormed(toDOMString(value));
}

/** ByteString. @param {any} value @param {string} what @returns {string} */
export function toByteString(value, what) {
  const text = toDOMString(value);
  for (let i = 0; i < text.length; i++) {
    if (charCodeAt(text, i) > 255) {
      throw new TypeError(`${what} has the character at index ${i} with a value of ${charCodeAt(text, i)}, which is greater than 255.`);
    }
  }
  return text;
}

/** @param {any} value @param {number} bits @param {boolean} signed */
function toInteger(value, bits, signed) {
  let number = +value;
  if (!isFinite(number)) return 0;
  number = trunc(number) + 0;
  const modulus = 2 ** bits;
  number = number % modulus;
  if (number < 0) number += modulus;
  if (signed && number >= modulus / 2) number -= modulus;
  return number;
}

/** @param {any} value */
export function toLong(value) {
  return toInteger(value, 32, true);
}

/** @param {any} value */
export function toUnsignedShort(value) {
  return toInteger(value, 16, false);
}

/** `[Clamp] unsigned short`. @param {any} value */
export function toClampedUnsignedShort(value) {
  return min(max(toClampedLongLong(value), 0), 65535);
}

/** `[EnforceRange] unsigned long long`. @param {any} value @param {string} what */
export function toEnforcedUnsignedLongLong(value, what) {
  const number = +value;
  if (!isFinite(number)) throw new TypeError(`${what} is not a finite number.`);
  const integer = trunc(number) + 0;
  if (integer < 0 || integer > 9007199254740991) throw new TypeError(`${what} is out of range.`);
  return integer;
}

/** `[Clamp] long long`. @param {any} value */
export function toClampedLongLong(value) {
  const number = +value;
  if (number !== number) return 0;
  const clamped = number < -9007199254740991 ? -9007199254740991 : number > 9007199254740991 ? 9007199254740991 : number;
  const below = floor(clamped);
  const rest = clamped - below;
  // Round to the nearest, ties to the even one.
  if (rest < 0.5 || (rest === 0.5 && abs(below % 2) === 0)) return below + 0;
  return below + 1;
}

/** unrestricted double. @param {any} value @returns {number} */
export function toUnrestrictedDouble(value) {
  return +value;
}

/** A dictionary argument: undefined and null are an empty one. @param {any} value @param {string} what @returns {any} */
export function toDictionary(value, what) {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new TypeError(`${what} is not an object.`);
  return value;
}

/** A callback function. @param {any} value @param {string} what @returns {(...args: any[]) => any} */
export function toFunction(value, what) {
  if (typeof value !== "function") throw new TypeError(`${what} is not a function.`);
  return value;
}

/**
 * Whether a value is a buffer source.
 * @param {any} value
 */
export function isBufferSource(value) {
  return isView(value) || isArrayBuffer(value);
}

/**
 * The bytes of a BufferSource, as a view of them, not a copy. Shared memory is refused unless `shared`.
 * @param {any} value
 * @param {string} what
 * @param {boolean} [shared]
 * @returns {Uint8Array}
 */
export function viewOf(value, what, shared = false) {
  if (isView(value)) {
    const typed = typedArrayName(value) !== undefined;
    const buffer = typed ? typedArrayBuffer(value) : dataViewBuffer(value);
    if (isSharedArrayBuffer(buffer)) {
      if (!shared) throw new TypeError(`${what} is a view of a SharedArrayBuffer, which is not allowed.`);
    } else if (arrayBufferDetached(buffer)) {
      return new Uint8Array(0);
    }
    if (typed) {
      if (typedArrayName(value) === "Uint8Array") return /** @type {any} */ (value);
      return new Uint8Array(buffer, typedArrayByteOffset(value), typedArrayByteLength(value));
    }
    return new Uint8Array(buffer, dataViewByteOffset(value), dataViewByteLength(value));
  }
  if (isArrayBuffer(value)) {
    if (arrayBufferDetached(value)) return new Uint8Array(0);
    return new Uint8Array(value);
  }
  if (shared && isSharedArrayBuffer(value)) return new Uint8Array(value);
  throw new TypeError(`${what} is not an ArrayBuffer or a view of one.`);
}

/** @param {any} view any ArrayBufferView @returns {ArrayBuffer} */
export function bufferOfView(view) {
  return typedArrayName(view) !== undefined ? typedArrayBuffer(view) : dataViewBuffer(view);
}

/** @param {any} buffer */
export function isResizable(buffer) {
  return arrayBufferResizable(buffer);
}

/**
 * A `sequence<T>`: calls `each` with every item.
 * @param {any} value
 * @param {string} what
 * @param {(item: any) => void} each
 */
export function forEachOfSequence(value, what, each) {
  if (!isObject(value)) throw new TypeError(`${what} is not iterable.`);
  const method = value[SymbolIterator];
  if (typeof method !== "function") throw new TypeError(`${what} is not iterable.`);
  forEachOfIterator(apply(method, value, []), what, each);
}

/**
 * @param {any} iterator
 * @param {string} what
 * @param {(item: any) => void} each
 */
export function forEachOfIterator(iterator, what, each) {
  if (!isObject(iterator)) throw new TypeError(`${what} is not iterable.`);
  const next = iterator.next;
  for (;;) {
    const step = apply(next, iterator, []);
    if (!isObject(step)) throw new TypeError(`The iterator of ${what} gave something that is not an object.`);
    if (step.done) return;
    each(step.value);
  }
}

/**
 * An enumeration: the text when it is one of them.
 * @param {any} value
 * @param {string[]} allowed
 * @param {string} what
 */
export function toEnum(value, allowed, what) {
  const text = toDOMString(value);
  for (let i = 0; i < allowed.length; i++) if (allowed[i] === text) return text;
  throw new TypeError(`${what}: '${text}' is not a valid value.`);
}

/** What an operation that gives a promise gives when its `this` is not of its class. */
export function wrongThis() {
  return promiseReject(new TypeError("Illegal invocation: function called with incorrect `this` reference."));
}

export { String };
