/** `node:util/types` (https://nodejs.org/api/util.html#utiltypes). */

/** @param {any} value */
const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
/** @param {object} prototype @param {PropertyKey} name */
const getter = (prototype, name) => Object.getOwnPropertyDescriptor(prototype, name)?.get;
/** The name of a typed array's class, which script cannot forge. @type {any} */
const typedArrayName = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);

/** A test for an internal slot: by a method that throws without it. @param {Function | undefined} method @param {any[]} rest */
const hasSlot =
  (method, ...rest) =>
  (/** @type {any} */ value) => {
    if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
    try {
      Reflect.apply(/** @type {Function} */ (method), value, rest);
      return true;
    } catch {
      return false;
    }
  };

export const isArrayBufferView = ArrayBuffer.isView;
export const isTypedArray = (/** @type {any} */ value) => ArrayBuffer.isView(value) && typedArrayName.call(value) !== undefined;
const isTyped = (/** @type {string} */ name) => (/** @type {any} */ value) => ArrayBuffer.isView(value) && typedArrayName.call(value) === name;
export const isUint8Array = isTyped("Uint8Array");
export const isUint8ClampedArray = isTyped("Uint8ClampedArray");
export const isUint16Array = isTyped("Uint16Array");
export const isUint32Array = isTyped("Uint32Array");
export const isInt8Array = isTyped("Int8Array");
export const isInt16Array = isTyped("Int16Array");
export const isInt32Array = isTyped("Int32Array");
export const isFloat16Array = isTyped("Float16Array");
export const isFloat32Array = isTyped("Float32Array");
export const isFloat64Array = isTyped("Float64Array");
export const isBigInt64Array = isTyped("BigInt64Array");
export const isBigUint64Array = isTyped("BigUint64Array");
export const isDataView = (/** @type {any} */ value) => ArrayBuffer.isView(value) && typedArrayName.call(value) === undefined;

export const isArrayBuffer = hasSlot(getter(ArrayBuffer.prototype, "byteLength"));
/** Workers have no shared memory. */
export const isSharedArrayBuffer = (/** @type {any} */ value) => tagOf(value) === "SharedArrayBuffer";
export const isAnyArrayBuffer = (/** @type {any} */ value) => isArrayBuffer(value) || isSharedArrayBuffer(value);

export const isDate = hasSlot(Date.prototype.getTime);
export const isMap = hasSlot(getter(Map.prototype, "size"));
export const isSet = hasSlot(getter(Set.prototype, "size"));
export const isWeakMap = hasSlot(WeakMap.prototype.has, {});
export const isWeakSet = hasSlot(WeakSet.prototype.has, {});
export const isRegExp = (/** @type {any} */ value) => value !== RegExp.prototype && hasSlot(getter(RegExp.prototype, "flags"))(value) && tagOf(value) === "RegExp";
export const isPromise = (/** @type {any} */ value) => value instanceof Promise;
export const isNativeError = (/** @type {any} */ value) => /** @type {any} */ (Error).isError?.(value) ?? value instanceof Error;

/** @param {any} Class */
const isBoxed = (Class) => {
  const slot = hasSlot(Class.prototype.valueOf);
  return (/** @type {any} */ value) => typeof value === "object" && slot(value);
};
export const isNumberObject = isBoxed(Number);
export const isStringObject = isBoxed(String);
export const isBooleanObject = isBoxed(Boolean);
export const isBigIntObject = isBoxed(BigInt);
export const isSymbolObject = isBoxed(Symbol);
export const isBoxedPrimitive = (/** @type {any} */ value) =>
  isNumberObject(value) || isStringObject(value) || isBooleanObject(value) || isBigIntObject(value) || isSymbolObject(value);

export const isArgumentsObject = (/** @type {any} */ value) => tagOf(value) === "Arguments";
export const isMapIterator = (/** @type {any} */ value) => tagOf(value) === "Map Iterator";
export const isSetIterator = (/** @type {any} */ value) => tagOf(value) === "Set Iterator";
export const isGeneratorObject = (/** @type {any} */ value) => tagOf(value) === "Generator" || tagOf(value) === "AsyncGenerator";
export const isModuleNamespaceObject = (/** @type {any} */ value) => tagOf(value) === "Module";
export const isAsyncFunction = (/** @type {any} */ value) =>
  typeof value === "function" && (tagOf(value) === "AsyncFunction" || tagOf(value) === "AsyncGeneratorFunction");
export const isGeneratorFunction = (/** @type {any} */ value) =>
  typeof value === "function" && (tagOf(value) === "GeneratorFunction" || tagOf(value) === "AsyncGeneratorFunction");
/** Script cannot tell. */
export const isProxy = () => false;
export const isExternal = () => false;
export const isCryptoKey = (/** @type {any} */ value) => value instanceof CryptoKey;
/** What marks the KeyObjects of `node:crypto`. */
export const KEY_OBJECT = Symbol("KeyObject");
export const isKeyObject = (/** @type {any} */ value) => value?.[KEY_OBJECT] === true;

export default {
  isAnyArrayBuffer, isArgumentsObject, isArrayBuffer, isArrayBufferView, isAsyncFunction, isBigInt64Array, isBigIntObject, isBigUint64Array,
  isBooleanObject, isBoxedPrimitive, isCryptoKey, isDataView, isDate, isExternal, isFloat16Array, isFloat32Array, isFloat64Array,
  isGeneratorFunction, isGeneratorObject, isInt16Array, isInt32Array, isInt8Array, isKeyObject, isMap, isMapIterator,
  isModuleNamespaceObject, isNativeError, isNumberObject, isPromise, isProxy, isRegExp, isSet, isSetIterator, isSharedArrayBuffer,
  isStringObject, isSymbolObject, isTypedArray, isUint16Array, isUint32Array, isUint8Array, isUint8ClampedArray, isWeakMap, isWeakSet,
};
