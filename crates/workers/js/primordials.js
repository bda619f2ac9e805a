/**
 * The parts of ECMAScript that the built-ins rely on, captured before any code of a Worker runs, so that a Worker which
 * replaces `Array.prototype.push` or `globalThis.Promise` changes its own world and not this one.
 * Methods come uncurried: `stringSlice(text, 1)` is `text.slice(1)`.
 *
 * Rules for the other files (eslint holds them to it): no `for…of`, spread or array destructuring (they look up
 * `Symbol.iterator` on patched prototypes), no methods on strings, arrays or promises but through here.
 */

const { bind, call } = globalThis.Function.prototype;

/** `uncurry(method)(self, ...args)` is `method.call(self, ...args)`, whatever becomes of `Function.prototype`.
 * @type {<T, A extends any[], R>(method: (this: T, ...args: A) => R) => (self: T, ...args: A) => R}
 */
export const uncurry = /** @type {any} */ (bind.bind(/** @type {any} */ (call)));

/**
 * @param {object} object
 * @param {PropertyKey} name
 * @returns {(self: any) => any} its getter, uncurried
 */
function getterOf(object, name) {
  const descriptor = Object.getOwnPropertyDescriptor(object, name);
  return uncurry(/** @type {any} */ (descriptor).get);
}

// === constructors ===
export const {
  Array,
  ArrayBuffer,
  BigInt,
  Boolean,
  DataView,
  Date,
  Error,
  EvalError,
  Function,
  Map,
  Number,
  Object,
  Promise,
  Proxy,
  RangeError,
  ReferenceError,
  RegExp,
  Set,
  String,
  Symbol,
  SyntaxError,
  TypeError,
  URIError,
  Uint8Array,
  Uint32Array,
  WeakMap,
  WeakRef,
  WeakSet,
} = globalThis;

// === Reflect, JSON, Math, Number ===
export const { apply, construct, ownKeys, getPrototypeOf, get: reflectGet } = Reflect;
export const { parse: jsonParse, stringify: jsonStringify } = JSON;
export const { min, max, floor, trunc, abs } = Math;
export const { isInteger, isFinite, isNaN, isSafeInteger, MAX_SAFE_INTEGER } = Number;
export const { fromCharCode } = String;

// === Object ===
export const {
  create,
  defineProperty,
  freeze,
  getOwnPropertyDescriptor,
  getOwnPropertyNames,
  hasOwn,
  keys: objectKeys,
  setPrototypeOf,
} = Object;
export const ObjectPrototype = Object.prototype;
export const objectToString = uncurry(Object.prototype.toString);
/** @type {(self: any, value: any) => boolean} */
export const isPrototypeOf = uncurry(Object.prototype.isPrototypeOf);
/** @type {(self: any, key: PropertyKey) => boolean} */
export const propertyIsEnumerable = uncurry(Object.prototype.propertyIsEnumerable);

// === Array ===
export const { isArray } = Array;
/** @type {<T>(self: T[], other: T[]) => T[]} */
export const arrayConcat = /** @type {any} */ (uncurry(Array.prototype.concat));
/** @type {(self: any[], separator?: string) => string} */
export const arrayJoin = uncurry(Array.prototype.join);
/** @type {<T>(self: T[], from?: number, to?: number) => T[]} */
export const arraySlice = /** @type {any} */ (uncurry(Array.prototype.slice));
/** @type {<T>(self: T[], compare?: (a: T, b: T) => number) => T[]} */
export const arraySort = /** @type {any} */ (uncurry(Array.prototype.sort));
/** @type {<T>(self: T[], value: T) => number} */
export const arrayIndexOf = /** @type {any} */ (uncurry(Array.prototype.indexOf));
/** @type {<T>(self: T[], start: number, count: number) => T[]} */
export const arraySplice = /** @type {any} */ (uncurry(Array.prototype.splice));
/** @type {<T>(self: T[]) => T | undefined} */
export const arrayShift = /** @type {any} */ (uncurry(Array.prototype.shift));
/** @type {(self: any) => IterableIterator<any>} */
export const arrayValues = /** @type {any} */ (uncurry(Array.prototype.values));
/** %IteratorPrototype% and %AsyncIteratorPrototype%. */
export const iteratorPrototype = getPrototypeOf(/** @type {object} */ (getPrototypeOf([][Symbol.iterator]())));
export const asyncIteratorPrototype = getPrototypeOf(
  /** @type {object} */ (getPrototypeOf(async function* () {}.prototype)),
);

// === String ===
export const charCodeAt = uncurry(String.prototype.charCodeAt);
/** @type {(self: string, needle: string, from?: number) => number} */
export const stringIndexOf = uncurry(String.prototype.indexOf);
/** @type {(self: string, needle: string) => number} */
export const stringLastIndexOf = uncurry(String.prototype.lastIndexOf);
/** @type {(self: string, from?: number, to?: number) => string} */
export const stringSlice = uncurry(String.prototype.slice);
/** @type {(self: string, needle: string) => boolean} */
export const startsWith = uncurry(String.prototype.startsWith);
/** @type {(self: string, needle: string) => boolean} */
export const endsWith = uncurry(String.prototype.endsWith);
export const toLowerCase = uncurry(String.prototype.toLowerCase);
export const toUpperCase = uncurry(String.prototype.toUpperCase);
/** @type {(self: string) => string} */
export const toWellFormed = uncurry(String.prototype.toWellFormed);
/** @type {(self: string, count: number) => string} */
export const stringRepeat = uncurry(String.prototype.repeat);
/** @type {(self: string, length: number, fill?: string) => string} */
export const padStart = uncurry(String.prototype.padStart);
/** @type {(self: string, length: number, fill?: string) => string} */
export const padEnd = uncurry(String.prototype.padEnd);
/** @type {(self: number, radix?: number) => string} */
export const numberToString = uncurry(Number.prototype.toString);
/** @type {(self: number, digits?: number) => string} */
export const toFixed = uncurry(Number.prototype.toFixed);
/** @type {(self: RegExp, text: string) => RegExpExecArray | null} */
export const regexpExec = uncurry(RegExp.prototype.exec);
export const regexpSource = uncurry(RegExp.prototype.toString);
export const symbolToString = uncurry(Symbol.prototype.toString);
/** Each throws at what is not of its kind. */
export const booleanValueOf = uncurry(Boolean.prototype.valueOf);
export const numberValueOf = uncurry(Number.prototype.valueOf);
export const stringValueOf = uncurry(String.prototype.valueOf);
export const bigintValueOf = uncurry(BigInt.prototype.valueOf);
export const regexpBrand = getterOf(RegExp.prototype, "hasIndices");
export const bigintToString = uncurry(BigInt.prototype.toString);
export const functionToString = uncurry(Function.prototype.toString);

/**
 * Every `needle` in `text` replaced.
 * @param {string} text
 * @param {string} needle
 * @param {string} replacement
 */
export function replaceEvery(text, needle, replacement) {
  let at = stringIndexOf(text, needle);
  if (at < 0) return text;
  let result = "";
  let from = 0;
  do {
    result += stringSlice(text, from, at) + replacement;
    from = at + needle.length;
    at = stringIndexOf(text, needle, from);
  } while (at >= 0);
  return result + stringSlice(text, from);
}

/**
 * @param {string} text
 * @param {string} separator not empty
 */
export function splitAt(text, separator) {
  /** @type {string[]} */
  const parts = [];
  let from = 0;
  for (;;) {
    const at = stringIndexOf(text, separator, from);
    if (at < 0) break;
    parts[parts.length] = stringSlice(text, from, at);
    from = at + separator.length;
  }
  parts[parts.length] = stringSlice(text, from);
  return parts;
}

// === Date ===
export const dateToISOString = uncurry(Date.prototype.toISOString);
export const dateGetTime = uncurry(Date.prototype.getTime);

// === Map, Set, WeakMap ===
/** @type {<K, V>(self: Map<K, V>, key: K) => V | undefined} */
export const mapGet = /** @type {any} */ (uncurry(Map.prototype.get));
/** @type {<K, V>(self: Map<K, V>, key: K, value: V) => Map<K, V>} */
export const mapSet = /** @type {any} */ (uncurry(Map.prototype.set));
/** @type {<K, V>(self: Map<K, V>, key: K) => boolean} */
export const mapHas = /** @type {any} */ (uncurry(Map.prototype.has));
/** @type {<K, V>(self: Map<K, V>, key: K) => boolean} */
export const mapDelete = /** @type {any} */ (uncurry(Map.prototype.delete));
/** @type {<K, V>(self: Map<K, V>, callback: (value: V, key: K) => void) => void} */
export const mapForEach = /** @type {any} */ (uncurry(Map.prototype.forEach));
export const mapSize = getterOf(Map.prototype, "size");
/** @type {<T>(self: Set<T>, value: T) => Set<T>} */
export const setAdd = /** @type {any} */ (uncurry(Set.prototype.add));
/** @type {<T>(self: Set<T>, value: T) => boolean} */
export const setHas = /** @type {any} */ (uncurry(Set.prototype.has));
/** @type {<T>(self: Set<T>, value: T) => boolean} */
export const setDelete = /** @type {any} */ (uncurry(Set.prototype.delete));
/** @type {<T>(self: Set<T>, callback: (value: T) => void) => void} */
export const setForEach = /** @type {any} */ (uncurry(Set.prototype.forEach));
export const setSize = getterOf(Set.prototype, "size");
/** @type {<K extends WeakKey, V>(self: WeakMap<K, V>, key: K) => V | undefined} */
export const weakMapGet = /** @type {any} */ (uncurry(WeakMap.prototype.get));
/** @type {<K extends WeakKey, V>(self: WeakMap<K, V>, key: K, value: V) => WeakMap<K, V>} */
export const weakMapSet = /** @type {any} */ (uncurry(WeakMap.prototype.set));
/** @type {<T extends WeakKey>(self: WeakRef<T>) => T | undefined} */
export const weakRefDeref = /** @type {any} */ (uncurry(WeakRef.prototype.deref));

// === bytes ===
const TypedArrayPrototype = /** @type {object} */ (getPrototypeOf(Uint8Array.prototype));
/** @typedef {Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array | BigInt64Array | BigUint64Array} TypedArray */
/** The name of the constructor of a typed array, or undefined for anything else.
 * @type {(self: any) => string | undefined} */
export const typedArrayName = getterOf(TypedArrayPrototype, Symbol.toStringTag);
/** @type {(self: any) => number} */
export const typedArrayByteLength = getterOf(TypedArrayPrototype, "byteLength");
/** @type {(self: any) => number} */
export const typedArrayByteOffset = getterOf(TypedArrayPrototype, "byteOffset");
/** @type {(self: any) => ArrayBuffer} */
export const typedArrayBuffer = getterOf(TypedArrayPrototype, "buffer");
/** @type {(self: any) => number} */
export const typedArrayLength = getterOf(TypedArrayPrototype, "length");
/** @type {(self: any, source: ArrayLike<any>, offset?: number) => void} */
export const typedArraySet = uncurry(/** @type {any} */ (TypedArrayPrototype).set);
/** @type {(self: Uint8Array, from?: number, to?: number) => Uint8Array<ArrayBuffer>} */
export const typedArraySlice = uncurry(/** @type {any} */ (TypedArrayPrototype).slice);
/** @type {(self: Uint8Array, value: number, from?: number) => number} */
export const typedArrayIndexOf = uncurry(/** @type {any} */ (TypedArrayPrototype).indexOf);
/** @type {(self: any) => number} */
export const dataViewByteLength = getterOf(DataView.prototype, "byteLength");
/** @type {(self: any) => number} */
export const dataViewByteOffset = getterOf(DataView.prototype, "byteOffset");
/** @type {(self: any) => ArrayBuffer} */
export const dataViewBuffer = getterOf(DataView.prototype, "buffer");
/** @type {(self: any) => number} */
export const arrayBufferByteLength = getterOf(ArrayBuffer.prototype, "byteLength");
/** @type {(self: any) => boolean} */
export const arrayBufferDetached = getterOf(ArrayBuffer.prototype, "detached");
/** @type {(self: any) => boolean} */
export const arrayBufferResizable = getterOf(ArrayBuffer.prototype, "resizable");
/** @type {(self: ArrayBuffer, from?: number, to?: number) => ArrayBuffer} */
export const arrayBufferSlice = uncurry(ArrayBuffer.prototype.slice);
/** @type {(self: ArrayBuffer, length?: number) => ArrayBuffer} */
export const arrayBufferTransfer = uncurry(/** @type {any} */ (ArrayBuffer.prototype).transfer);
/** `ArrayBuffer.isView` */
export const { isView } = ArrayBuffer;
/** What views exist besides DataView, by name. @type {Record<string, any>} */
export const typedArrayConstructors = { __proto__: null };
for (const name of [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float16Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
]) {
  const constructor = /** @type {any} */ (globalThis)[name];
  if (constructor !== undefined) typedArrayConstructors[name] = constructor;
}
const sharedByteLength =
  typeof SharedArrayBuffer === "undefined" ? undefined : getterOf(SharedArrayBuffer.prototype, "byteLength");

/** @param {any} value @returns {value is ArrayBuffer} */
export function isArrayBuffer(value) {
  if (typeof value !== "object" || value === null) return false;
  try {
    arrayBufferByteLength(value);
    return true;
  } catch {
    return false;
  }
}

/** @param {any} value */
export function isSharedArrayBuffer(value) {
  if (sharedByteLength === undefined || typeof value !== "object" || value === null) return false;
  try {
    sharedByteLength(value);
    return true;
  } catch {
    return false;
  }
}

/** @param {any} value @returns {value is Uint8Array} */
export function isUint8Array(value) {
  return typeof value === "object" && value !== null && typedArrayName(value) === "Uint8Array";
}

// === Promise ===
/** @type {<T>(self: Promise<T>, fulfilled?: ((value: T) => any) | null, rejected?: ((reason: any) => any) | null) => Promise<any>} */
export const promiseThen = /** @type {any} */ (uncurry(Promise.prototype.then));
const { resolve, reject, withResolvers, all } = Promise;
/** @type {(value?: any) => Promise<any>} */
export const promiseResolve = /** @type {any} */ (bind.call(/** @type {any} */ (resolve), Promise));
/** @type {(reason: any) => Promise<never>} */
export const promiseReject = /** @type {any} */ (bind.call(/** @type {any} */ (reject), Promise));
/** @type {<T>() => {promise: Promise<T>, resolve: (value: T | PromiseLike<T>) => void, reject: (reason?: any) => void}} */
export const newPromise = /** @type {any} */ (bind.call(/** @type {any} */ (withResolvers), Promise));
/** @type {(promises: Promise<any>[]) => Promise<any[]>} */
export const promiseAll = /** @type {any} */ (bind.call(/** @type {any} */ (all), Promise));

const nothing = () => {};
/**
 * "A promise resolved with" of Web IDL, of which only the settling matters: as late as the standard has it for a promise, which gets a new one
 * around it, and without a look at its `then`, which a Worker may have replaced.
 * @param {any} value
 * @returns {Promise<any>}
 */
export function resolvedWith(value) {
  const promise = promiseResolve(value);
  return promise === value ? promiseThen(promiseThen(promise, nothing), nothing) : promise;
}

/** A promise whose rejection is nobody's business. @param {Promise<any>} promise */
export function markHandled(promise) {
  promiseThen(promise, undefined, nothing);
}

export const { iterator: SymbolIterator, asyncIterator: SymbolAsyncIterator, toStringTag: SymbolToStringTag } = Symbol;
