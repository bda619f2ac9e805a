/**
 * structuredClone() (https://html.spec.whatwg.org/#dom-structuredclone). The engine clones what ECMAScript defines; what the
 * platform defines is cloned or refused here, because to the engine it looks like plain objects.
 */
import { blobBytes, blobType, isBlob, isFile, newBlob, renamedFile, fileName } from "./blob.js";
import { DOMException, isDOMException } from "./dom_exception.js";
import host from "./host_object.js";
import {
  Map,
  Set,
  TypeError,
  arrayIndexOf,
  defineProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  isArray,
  isView,
  isArrayBuffer,
  mapForEach,
  mapSize,
  objectKeys,
  setAdd,
  setForEach,
  setHas,
  setSize,
  ObjectPrototype,
} from "./primordials.js";
import { forEachOfSequence, isPlatformObject, requireArguments, toDictionary } from "./webidl.js";
import { isReal } from "./inspect.js";


/** @param {any} value @param {any} [options] */
export function structuredClone(value, options = undefined) {
  requireArguments(arguments.length, 1, "structuredClone");
  const { transfer } = toDictionary(options, "structuredClone: the options");
  /** @type {any[] | undefined} */
  let list;
  if (transfer !== undefined) {
    /** @type {any[]} */
    const items = [];
    forEachOfSequence(transfer, "structuredClone: the option 'transfer'", (item) => {
      if (typeof item !== "object" || item === null || !isArrayBuffer(item)) {
        throw new DOMException("structuredClone: an item of the option 'transfer' is not transferable.", "DataCloneError");
      }
      items[items.length] = item;
    });
    if (items.length > 0) list = items;
  }
  if (typeof value !== "object" || value === null) return engineClone(value, list);
  const platform = clonePlatformObject(value);
  if (platform !== undefined) return platform;
  refusePlatformObjects(value, new Set());
  return engineClone(value, list);
}

/** What the engine says of a value that it cannot clone. @type {string[]} */
const REFUSALS = [
  "unsupported type for structured data",
  "invalid transferable array for structured clone",
  "duplicate transferable for structured clone",
  "structured clone cannot transfer twice",
  "Shared memory objects must not be in the transfer list",
];

/** @param {any} value @param {any[] | undefined} transfer */
function engineClone(value, transfer) {
  try {
    return host.structuredClone(value, transfer);
  } catch (error) {
    // Getters of the value may throw anything else, which is theirs.
    const message = error instanceof TypeError ? error.message : "";
    if (arrayIndexOf(REFUSALS, message) >= 0) throw new DOMException(`structuredClone: ${message}.`, "DataCloneError");
    throw error;
  }
}

/** A clone of a serializable platform object; undefined for anything else. @param {any} value */
function clonePlatformObject(value) {
  if (isFile(value)) return renamedFile(value, fileName(value));
  // The bytes never change, so that they can be shared.
  if (isBlob(value)) return newBlob(blobBytes(value), blobType(value));
  if (isDOMException(value)) {
    const copy = new DOMException(value.message, value.name);
    const stack = getOwnPropertyDescriptor(value, "stack");
    if (stack !== undefined) defineProperty(copy, "stack", { ...stack, value: stack.value, configurable: true });
    return copy;
  }
  return undefined;
}

/**
 * @param {any} value an object
 * @param {Set<any>} seen
 */
function refusePlatformObjects(value, seen) {
  if (setHas(seen, value)) return;
  setAdd(seen, value);
  const prototype = getPrototypeOf(value);
  if (prototype !== ObjectPrototype && prototype !== null && isPlatformObject(value)) {
    throw new DOMException("structuredClone: the value has an object in it that cannot be cloned.", "DataCloneError");
  }
  if (isView(value) || isArrayBuffer(value)) return;
  const check = (/** @type {any} */ item) => {
    if (typeof item === "object" && item !== null) refusePlatformObjects(item, seen);
  };
  if (!isArray(value) && prototype !== ObjectPrototype && prototype !== null) {
    if (value instanceof Map && isReal(mapSize, value)) {
      mapForEach(value, (item, key) => {
        check(key);
        check(item);
      });
      return;
    }
    if (value instanceof Set && isReal(setSize, value)) {
      setForEach(value, check);
      return;
    }
  }
  const keys = objectKeys(value);
  for (let i = 0; i < keys.length; i++) {
    // Getters run once, in the engine's clone.
    const descriptor = getOwnPropertyDescriptor(value, /** @type {string} */ (keys[i]));
    if (descriptor !== undefined) check(descriptor.value);
  }
}
