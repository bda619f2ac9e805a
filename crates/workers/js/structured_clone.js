/**
 * structuredClone() (https://html.spec.whatwg.org/#dom-structuredclone). The engine clones what ECMAScript defines. A graph with
 * objects of the platform in it, which look like plain ones to the engine, is cloned here; those that cannot be cloned are refused.
 */
import { blobBytes, blobType, isBlob, isFile, newBlob, renamedFile, fileName } from "./blob.js";
import { DOMException, QuotaExceededError, isDOMException, isQuotaExceededError } from "./dom_exception.js";
import host from "./host_object.js";
import {
  Array,
  DataView,
  Error,
  Map,
  Set,
  TypeError,
  arrayBufferDetached,
  arrayIndexOf,
  booleanValueOf,
  bigintValueOf,
  dataViewByteLength,
  dataViewByteOffset,
  dateGetTime,
  defineProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  isArray,
  isArrayBuffer,
  isSharedArrayBuffer,
  isView,
  mapForEach,
  mapGet,
  mapSet,
  mapSize,
  numberValueOf,
  objectKeys,
  ObjectPrototype,
  Promise,
  regexpBrand,
  setAdd,
  setForEach,
  setHas,
  setSize,
  stringValueOf,
  typedArrayByteOffset,
  typedArrayConstructors,
  typedArrayLength,
  typedArrayName,
  weakMapGet,
} from "./primordials.js";
import { bufferOfView, forEachOfSequence, isPlatformObject, requireArguments, toDictionary } from "./webidl.js";
import { isReal } from "./inspect.js";

/** @param {string} what @returns {never} */
function refuseClone(what) {
  throw new DOMException(`structuredClone: ${what}.`, "DataCloneError");
}

/**
 * Transferable objects of the platform, which are defined on top of this file.
 * @type {{isOne(value: any): boolean, isGone(value: any): boolean, transfer(value: any): any}[]}
 */
const transferables = [];

/** @param {(typeof transferables)[number]} kind */
export function addTransferable(kind) {
  transferables[transferables.length] = kind;
}

/**
 * Serializable objects of the platform that are defined on top of this file.
 * @type {{isOne(value: any): boolean, copy(value: any): any}[]}
 */
const serializables = [];

/** @param {(typeof serializables)[number]} kind */
export function addSerializable(kind) {
  serializables[serializables.length] = kind;
}

/** @param {any} value */
function transferableOf(value) {
  for (let i = 0; i < transferables.length; i++) if (transferables[i]?.isOne(value)) return transferables[i];
  return undefined;
}

/** @param {any} value @param {any} [options] */
export function structuredClone(value, options = undefined) {
  requireArguments(arguments.length, 1, "structuredClone");
  const { transfer } = toDictionary(options, "structuredClone: the options");
  return cloneWithTransfer(value, transfer).value;
}

/**
 * A copy of a value, and what came of the transferable objects of the platform in the list, in its order.
 * @param {any} value
 * @param {any} transfer a sequence, or undefined
 * @returns {{value: any, moved: any[]}}
 */
export function cloneWithTransfer(value, transfer) {
  /** @type {any[]} */
  const buffers = [];
  /** @type {any[]} */
  const others = [];
  if (transfer !== undefined) {
    forEachOfSequence(transfer, "structuredClone: the option 'transfer'", (item) => {
      const kind = transferableOf(item);
      if (kind === undefined && !isArrayBuffer(item)) refuseClone("an item of the option 'transfer' is not transferable");
      const list = kind === undefined ? buffers : others;
      if (arrayIndexOf(list, item) >= 0) refuseClone("an item of the option 'transfer' is listed twice");
      if (kind?.isGone(item)) refuseClone("an item of the option 'transfer' has been transferred or closed already, or is locked");
      list[list.length] = item;
    });
  }
  const list = buffers.length > 0 ? buffers : undefined;
  if (typeof value !== "object" || value === null) {
    if (typeof value === "symbol" || typeof value === "function") refuseClone("a symbol or a function cannot be cloned");
    if (list !== undefined) engineClone(undefined, list);
    return { value, moved: transferAll(others, new Map()) };
  }
  if (others.length === 0 && !hasPlatformObject(value, new Set())) return { value: engineClone(value, list), moved: others };
  // All is looked at before anything is detached.
  new GraphCloner(others, buffers, true).clone(value);
  const cloner = new GraphCloner(others, buffers, false);
  const moved = transferAll(others, cloner.copies);
  for (let i = 0; i < buffers.length; i++) mapSet(cloner.copies, buffers[i], engineClone(buffers[i], [buffers[i]]));
  return { value: cloner.clone(value), moved };
}

/** @param {any[]} items @param {Map<any, any>} copies gets them by what they were @returns {any[]} */
function transferAll(items, copies) {
  /** @type {any[]} */
  const moved = [];
  for (let i = 0; i < items.length; i++) {
    const kind = transferableOf(items[i]);
    // What was transferred before may have been a part of it.
    if (kind?.isGone(items[i])) refuseClone("an item of the option 'transfer' belongs to another one");
    moved[i] = kind?.transfer(items[i]);
    mapSet(copies, items[i], moved[i]);
  }
  return moved;
}

/** What the engine says of a value that it cannot clone. @type {string[]} */
const REFUSALS = [
  "attempting to access detached ArrayBuffer",
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
    if (arrayIndexOf(REFUSALS, message) >= 0) refuseClone(message);
    throw error;
  }
}

/** A clone of a serializable platform object; undefined for anything else. @param {any} value */
function clonePlatformObject(value) {
  if (isFile(value)) return renamedFile(value, fileName(value));
  // The bytes never change, so that they can be shared.
  if (isBlob(value)) return newBlob(blobBytes(value), blobType(value));
  if (isDOMException(value)) {
    const copy = isQuotaExceededError(value)
      ? new QuotaExceededError(value.message, { quota: value.quota ?? undefined, requested: value.requested ?? undefined })
      : new DOMException(value.message, value.name);
    const stack = getOwnPropertyDescriptor(value, "stack");
    if (stack !== undefined) defineProperty(copy, "stack", { ...stack, value: stack.value, configurable: true });
    return copy;
  }
  for (let i = 0; i < serializables.length; i++) {
    const kind = /** @type {(typeof serializables)[number]} */ (serializables[i]);
    if (kind.isOne(value)) return kind.copy(value);
  }
  return undefined;
}

/**
 * Whether a graph has an object of the platform in it.
 * @param {any} value an object
 * @param {Set<any>} seen
 * @returns {boolean}
 */
function hasPlatformObject(value, seen) {
  if (setHas(seen, value)) return false;
  setAdd(seen, value);
  const prototype = getPrototypeOf(value);
  if (prototype !== ObjectPrototype && prototype !== null && isPlatformObject(value)) return true;
  if (isView(value) || isArrayBuffer(value)) return false;
  const check = (/** @type {any} */ item) => typeof item === "object" && item !== null && hasPlatformObject(item, seen);
  let found = false;
  if (!isArray(value) && prototype !== ObjectPrototype && prototype !== null) {
    if (isReal(mapSize, value)) {
      mapForEach(value, (item, key) => {
        found ||= check(key) || check(item);
      });
      return found;
    }
    if (isReal(setSize, value)) {
      setForEach(value, (item) => {
        found ||= check(item);
      });
      return found;
    }
  }
  const keys = objectKeys(value);
  for (let i = 0; i < keys.length; i++) {
    // Getters run once, when it is cloned.
    const descriptor = getOwnPropertyDescriptor(value, /** @type {string} */ (keys[i]));
    if (descriptor !== undefined && check(descriptor.value)) return true;
  }
  return false;
}

/** What the engine clones and what has no properties that are cloned. */
const LEAVES = [dateGetTime, regexpBrand, booleanValueOf, numberValueOf, stringValueOf, bigintValueOf];
/** Whether it is one of those that cannot be cloned. @param {any} value */
const isOpaque = (value) => value instanceof Promise || isReal((/** @type {any} */ map) => weakMapGet(map, map), value);

/** @param {any} value */
function isLeaf(value) {
  for (let i = 0; i < LEAVES.length; i++) if (isReal(/** @type {any} */ (LEAVES[i]), value)) return true;
  return value instanceof Error;
}

/** Clones a graph, with its cycles. */
class GraphCloner {
  /** By original. @type {Map<any, any>} */
  copies = new Map();
  #dry;

  /** @param {any[]} others @param {any[]} buffers what will be transferred @param {boolean} dry whether this is only to see if it can be done */
  constructor(others, buffers, dry) {
    this.#dry = dry;
    if (!dry) return;
    for (let i = 0; i < others.length; i++) mapSet(this.copies, others[i], {});
    for (let i = 0; i < buffers.length; i++) {
      if (arrayBufferDetached(buffers[i])) refuseClone("an item of the option 'transfer' is detached");
      mapSet(this.copies, buffers[i], buffers[i]);
    }
  }

  /** @param {any} value @returns {any} */
  clone(value) {
    if (typeof value === "symbol" || typeof value === "function") refuseClone("the value has a symbol or function in it");
    if (typeof value !== "object" || value === null) return value;
    const known = mapGet(this.copies, value);
    return known === undefined ? this.#cloneNew(value) : known;
  }

  /** @template T @param {any} value @param {T} copy @returns {T} */
  #keep(value, copy) {
    mapSet(this.copies, value, copy);
    return copy;
  }

  /** @param {any} value an object @returns {any} */
  #cloneNew(value) {
    const platform = clonePlatformObject(value);
    if (platform !== undefined) return this.#keep(value, platform);
    if (isPlatformObject(value) || isSharedArrayBuffer(value)) refuseClone("the value has an object in it that cannot be cloned");
    if (isView(value)) return this.#keep(value, this.#dry ? {} : this.#cloneView(value));
    if (isArrayBuffer(value) || isLeaf(value)) return this.#keep(value, engineClone(value, undefined));
    if (isOpaque(value)) refuseClone("the value has an object in it that cannot be cloned");
    if (isReal(mapSize, value)) return this.#cloneMap(value);
    if (isReal(setSize, value)) return this.#cloneSet(value);
    const copy = this.#keep(value, isArray(value) ? new Array(value.length) : {});
    const keys = objectKeys(value);
    for (let i = 0; i < keys.length; i++) {
      const key = /** @type {string} */ (keys[i]);
      // A getter may have deleted it.
      if (getOwnPropertyDescriptor(value, key) === undefined) continue;
      defineProperty(copy, key, { value: this.clone(value[key]), writable: true, enumerable: true, configurable: true });
    }
    return copy;
  }

  /** @param {any} view */
  #cloneView(view) {
    const buffer = this.clone(bufferOfView(view));
    const name = typedArrayName(view);
    if (name === undefined) return new DataView(buffer, dataViewByteOffset(view), dataViewByteLength(view));
    return new typedArrayConstructors[name](buffer, typedArrayByteOffset(view), typedArrayLength(view));
  }

  /** @param {Map<any, any>} map */
  #cloneMap(map) {
    const copy = this.#keep(map, new Map());
    /** @type {any[]} */
    const entries = [];
    mapForEach(map, (item, key) => {
      entries[entries.length] = key;
      entries[entries.length] = item;
    });
    for (let i = 0; i < entries.length; i += 2) mapSet(copy, this.clone(entries[i]), this.clone(entries[i + 1]));
    return copy;
  }

  /** @param {Set<any>} set */
  #cloneSet(set) {
    const copy = this.#keep(set, new Set());
    /** @type {any[]} */
    const items = [];
    setForEach(set, (item) => {
      items[items.length] = item;
    });
    for (let i = 0; i < items.length; i++) setAdd(copy, this.clone(items[i]));
    return copy;
  }
}
