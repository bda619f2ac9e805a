/** Deep equality as `assert.deepEqual` and `assert.deepStrictEqual` define it (https://nodejs.org/api/assert.html). */
import { isAnyArrayBuffer, isArrayBufferView, isBoxedPrimitive, isDate, isMap, isNativeError, isRegExp, isSet } from "./util_types.js";

/** @typedef {Map<object, object>} Seen pairs that are being compared further up */

/** @param {any} a @param {any} b @param {boolean} strict */
export function deepEqual(a, b, strict) {
  return compare(a, b, strict, new Map());
}

/** @param {any} a @param {any} b @param {boolean} strict */
function primitivesEqual(a, b, strict) {
  if (strict) return Object.is(a, b);
  return a == b || (Number.isNaN(a) && Number.isNaN(b));
}

/** @param {any} value */
const isObject = (value) => value !== null && (typeof value === "object" || typeof value === "function");

/** @param {any} a @param {any} b @param {boolean} strict @param {Seen} seen @returns {boolean} */
function compare(a, b, strict, seen) {
  if (a === b) return a !== 0 || !strict || Object.is(a, b);
  if (!isObject(a) || !isObject(b)) return isObject(a) || isObject(b) ? false : primitivesEqual(a, b, strict);
  if (typeof a === "function" || typeof b === "function") return false;
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  const equal = sameKind(a, b, strict, seen) && sameProperties(a, b, strict, seen);
  seen.delete(a);
  return equal;
}

/** Whether what the two hold beside their properties is equal. @param {any} a @param {any} b @param {boolean} strict @param {Seen} seen */
function sameKind(a, b, strict, seen) {
  if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a)) return a.length === b.length;
  if (isDate(a)) return isDate(b) && Object.is(a.getTime(), b.getTime());
  if (isRegExp(a)) return isRegExp(b) && String(a) === String(b) && a.lastIndex === b.lastIndex;
  if (isNativeError(a) || a instanceof Error) {
    return a.name === b.name && a.message === b.message && compare(a.cause, b.cause, strict, seen) && compare(a.errors, b.errors, strict, seen);
  }
  if (isArrayBufferView(a)) return isArrayBufferView(b) && sameViews(a, b, strict);
  if (isAnyArrayBuffer(a)) return isAnyArrayBuffer(b) && sameBytes(new Uint8Array(a), new Uint8Array(b));
  if (isSet(a)) return isSet(b) && sameSets(a, b, strict, seen);
  if (isMap(a)) return isMap(b) && sameMaps(a, b, strict, seen);
  if (isBoxedPrimitive(a)) return isBoxedPrimitive(b) && Object.is(a.valueOf(), b.valueOf());
  return !isBoxedPrimitive(b);
}

/** @param {any} a @param {any} b @param {boolean} strict */
function sameViews(a, b, strict) {
  if (strict || a.length === undefined || b.length === undefined) {
    const bytes = (/** @type {ArrayBufferView} */ view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    return sameBytes(bytes(a), bytes(b));
  }
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!primitivesEqual(a[i], b[i], false)) return false;
  return true;
}

/** @param {Uint8Array} a @param {Uint8Array} b */
function sameBytes(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The names of properties, without the elements of views. @param {any} object */
function namesOf(object) {
  const names = Object.keys(object);
  return isArrayBufferView(object) ? names.filter((name) => !/^\d+$/.test(name)) : names;
}

/** @param {any} a @param {any} b @param {boolean} strict @param {Seen} seen */
function sameProperties(a, b, strict, seen) {
  const names = namesOf(a);
  if (names.length !== namesOf(b).length) return false;
  const same = (/** @type {PropertyKey} */ key) =>
    Object.prototype.propertyIsEnumerable.call(b, key) && compare(a[key], b[key], strict, seen);
  if (!names.every(same)) return false;
  if (!strict) return true;
  const symbols = enumerableSymbols(a);
  return symbols.length === enumerableSymbols(b).length && symbols.every(same);
}

/** @param {object} object */
function enumerableSymbols(object) {
  return Object.getOwnPropertySymbols(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key));
}

/** @param {Set<any>} a @param {Set<any>} b @param {boolean} strict @param {Seen} seen */
function sameSets(a, b, strict, seen) {
  if (a.size !== b.size) return false;
  const rest = new Set(b);
  const unmatched = [...a].filter((value) => !rest.delete(value));
  return unmatched.every((value) => {
    for (const other of rest) if (compare(value, other, strict, seen)) return rest.delete(other);
    return false;
  });
}

/** @param {Map<any, any>} a @param {Map<any, any>} b @param {boolean} strict @param {Seen} seen */
function sameMaps(a, b, strict, seen) {
  if (a.size !== b.size) return false;
  const rest = new Map(b);
  const unmatched = [...a].filter(([key, value]) => !(rest.has(key) && compare(value, rest.get(key), strict, seen) && rest.delete(key)));
  return unmatched.every(([key, value]) => {
    for (const [other, its] of rest) {
      if (compare(key, other, strict, seen) && compare(value, its, strict, seen)) return rest.delete(other);
    }
    return false;
  });
}
