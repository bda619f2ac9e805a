/**
 * Values that go from one isolate to another: the arguments and results of calls between Workers, and what is thrown. The engine
 * serializes what ECMAScript defines. What it does not know, or knows too little of (platform objects, the own properties of
 * errors), is put aside as `[place, kind, facts]`, where `place` is an empty object that stands for it in the value; the engine
 * keeps identities, so that the reader finds the places again. Bytes of streams go beside the value.
 */
import { Body, nativeBody } from "./body.js";
import { blobBytes, blobType, fileName, isBlob, isFile, newBlob, newFile } from "./blob.js";
import { DOMException, isDOMException } from "./dom_exception.js";
import { isHeaders, listOf, newHeaders } from "./headers.js";
import host from "./host_object.js";
import { className, isError, isReal, stackOf } from "./inspect.js";
import { current } from "./invocation.js";
import { newNativeStream, takeNative } from "./native_stream.js";
import {
  Array,
  Error,
  EvalError,
  Map,
  ObjectPrototype,
  RangeError,
  ReferenceError,
  Set,
  SyntaxError,
  TypeError,
  URIError,
  arraySlice,
  defineProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  isArray,
  isArrayBuffer,
  isView,
  mapForEach,
  mapGet,
  mapHas,
  mapSet,
  mapSize,
  objectKeys,
  objectToString,
  setAdd,
  setForEach,
  setSize,
} from "./primordials.js";
import { pump } from "./pump.js";
import { isReadableStream, stateOf } from "./readable_stream.js";
import { Request, isRequest, newRequestState, requestState } from "./request.js";
import { Response, isResponse, newResponseState, responseState } from "./response.js";
import { INTERNAL, isPlatformObject } from "./webidl.js";

/** Errors that keep their class. @type {Record<string, any>} */
const ERROR_CLASSES = {
  __proto__: null,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** @param {any} object @param {PropertyKey} name @param {any} value */
function setOwn(object, name, value) {
  defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

/** @param {string} what @returns {never} */
function refuseToSerialize(what) {
  throw new DOMException(what, "DataCloneError");
}

/** Writes one value. */
class ValueWriter {
  /** What was put aside. @type {any[]} */
  aside = [];
  /** For each stream the number of its body, or 0 when script writes it. @type {number[]} */
  streams = [];
  /** The streams that script writes, with their places in the list. @type {{index: number, state: import("./readable_core.js").ReadableState}[]} */
  written = [];
  /** The copy of each object, or its place. @type {Map<any, any>} */
  #seen = new Map();

  /** @param {any} value @returns {any} what the engine is given for it */
  copy(value) {
    if (typeof value === "function") {
      refuseToSerialize("A function cannot be sent to another Worker: only values that can be cloned can.");
    }
    if (typeof value !== "object" || value === null) return value;
    const known = mapGet(this.#seen, value);
    if (known !== undefined) return known;
    if (isArray(value)) {
      const copy = new Array(value.length);
      this.#copyProperties(value, copy);
      return copy;
    }
    if (isView(value) || isArrayBuffer(value)) return value;
    if (isError(value)) return this.error(value);
    const prototype = getPrototypeOf(value);
    if (prototype === ObjectPrototype || prototype === null) {
      /** @type {any} */
      const copy = {};
      this.#copyProperties(value, copy);
      return copy;
    }
    if (isPlatformObject(value)) return this.#platformObject(value);
    if (isReal(mapSize, value)) {
      const copy = new Map();
      mapSet(this.#seen, value, copy);
      mapForEach(value, (item, key) => mapSet(copy, this.copy(key), this.copy(item)));
      return copy;
    }
    if (isReal(setSize, value)) {
      const copy = new Set();
      mapSet(this.#seen, value, copy);
      setForEach(value, (item) => setAdd(copy, this.copy(item)));
      return copy;
    }
    // Dates, regular expressions and boxed primitives say what they are; an instance of a class of the Worker's own does not.
    if (objectToString(value) !== "[object Object]") return value;
    return refuseToSerialize(
      `Could not serialize object of type "${className(value)}". This type does not support serialization.`,
    );
  }

  /** @param {any} from @param {any} to */
  #copyProperties(from, to) {
    mapSet(this.#seen, from, to);
    const keys = objectKeys(from);
    for (let i = 0; i < keys.length; i++) {
      const key = /** @type {string} */ (keys[i]);
      setOwn(to, key, this.copy(from[key]));
    }
  }

  /** @param {any} original @param {string} kind @param {any} [facts] */
  #place(original, kind, facts = undefined) {
    const place = {};
    const entry = [place, kind, facts];
    mapSet(this.#seen, original, place);
    this.aside[this.aside.length] = entry;
    return { place, entry };
  }

  /** An error with its name, message, stack, cause and own properties, as far as these can be cloned. @param {any} error */
  error(error) {
    if (isDOMException(error)) {
      return this.#place(error, "DOMException", { name: error.name, message: error.message, stack: stackOf(error) }).place;
    }
    const { place, entry } = this.#place(error, "Error");
    const facts = { class: "Error", name: plainText(error, "name"), message: plainText(error, "message"), stack: stackOf(error), own: {} };
    for (let at = getPrototypeOf(error); at !== null; at = getPrototypeOf(at)) {
      const name = getOwnPropertyDescriptor(at, "constructor")?.value?.name;
      if (typeof name === "string" && ERROR_CLASSES[name] !== undefined) {
        facts.class = name;
        break;
      }
    }
    const keys = objectKeys(error);
    for (let i = 0; i < keys.length; i++) {
      const key = /** @type {string} */ (keys[i]);
      if (key !== "name" && key !== "message" && key !== "stack") this.#attempt(facts.own, key, () => error[key]);
    }
    const cause = getOwnPropertyDescriptor(error, "cause");
    if (cause !== undefined && !cause.enumerable && "value" in cause) this.#attempt(facts, "cause", () => cause.value);
    entry[2] = facts;
    return place;
  }

  /** A property of an error, left out when it cannot be cloned. @param {any} to @param {string} key @param {() => any} read */
  #attempt(to, key, read) {
    try {
      const value = read();
      // Whatever part of it cannot be cloned must not be put aside either.
      serialize(value, true);
      setOwn(to, key, this.copy(value));
    } catch {
      // An error that is told in part is better than none.
    }
  }

  /** @param {any} value */
  #platformObject(value) {
    if (isHeaders(value)) return this.#place(value, "Headers", arraySlice(listOf(value))).place;
    if (isFile(value)) {
      const facts = { bytes: blobBytes(value), type: blobType(value), name: fileName(value), lastModified: value.lastModified };
      return this.#place(value, "File", facts).place;
    }
    if (isBlob(value)) return this.#place(value, "Blob", { bytes: blobBytes(value), type: blobType(value) }).place;
    if (isReadableStream(value)) {
      const state = stateOf(value);
      if (state.disturbed || state.reader !== undefined) {
        throw new TypeError("This ReadableStream is locked or was read from already, and cannot be sent to another Worker.");
      }
      return this.#place(value, "ReadableStream", this.#stream(state)).place;
    }
    if (isRequest(value)) {
      const state = requestState(value);
      const facts = { method: state.method, url: state.url, list: arraySlice(state.list), redirect: state.redirect, body: this.#body(state.body) };
      return this.#place(value, "Request", facts).place;
    }
    if (isResponse(value)) {
      const state = responseState(value);
      const facts = {
        status: state.status,
        statusText: state.statusText,
        list: arraySlice(state.list),
        url: state.url,
        redirected: state.redirected,
        type: state.type,
        body: this.#body(state.body),
      };
      return this.#place(value, "Response", facts).place;
    }
    return refuseToSerialize(
      `Could not serialize object of type "${className(value)}". This type does not support serialization.`,
    );
  }

  /** @param {import("./body.js").Body | null} body */
  #body(body) {
    if (body === null) return null;
    const error = body.unusable;
    if (error !== undefined) throw error;
    if (body.source !== undefined) {
      const { source } = body;
      body.markUsed();
      return { source };
    }
    const native = body.takeNative();
    if (native === 0) return this.#stream(stateOf(body.stream));
    this.streams[this.streams.length] = native;
    return { stream: this.streams.length - 1 };
  }

  /** @param {import("./readable_core.js").ReadableState} state */
  #stream(state) {
    const native = takeNative(state);
    const index = this.streams.length;
    this.streams[index] = native;
    if (native === 0) this.written[this.written.length] = { index, state };
    return { stream: index };
  }
}

/** The text of a property, whatever it is. @param {any} object @param {string} name */
function plainText(object, name) {
  try {
    const value = object[name];
    return typeof value === "string" ? value : "";
  } catch {
    return "";
  }
}

/**
 * @param {any} value
 * @param {boolean} [streamless] refuses what has streams
 */
export function serialize(value, streamless = false) {
  const writer = new ValueWriter();
  const copy = writer.copy(value);
  if (streamless && writer.streams.length > 0) refuseToSerialize("A stream cannot be sent here.");
  /** @type {Uint8Array} */
  let bytes;
  try {
    bytes = host.serialize([copy, writer.aside]);
  } catch (error) {
    throw error instanceof TypeError ? new DOMException(`The value cannot be sent to another Worker: ${error.message}.`, "DataCloneError") : error;
  }
  return new Serialized(bytes, writer.streams, writer.written);
}

/** A value ready to be sent. */
class Serialized {
  bytes;
  streams;
  #written;

  /** @param {Uint8Array} bytes @param {number[]} streams @param {ValueWriter["written"]} written */
  constructor(bytes, streams, written) {
    this.bytes = bytes;
    this.streams = streams;
    this.#written = written;
  }

  /** How many streams script has to write. */
  get writes() {
    return this.#written.length;
  }

  /** Writes the streams. @param {SinkId[]} sinks one for each stream @param {() => void} ended called once for each of those that script writes */
  write(sinks, ended) {
    for (let i = 0; i < this.#written.length; i++) {
      const { index, state } = /** @type {ValueWriter["written"][0]} */ (this.#written[i]);
      pump(state, /** @type {SinkId} */ (sinks[index]), ended);
    }
  }
}

/** Reads one value. */
class ValueReader {
  /** What stands for what. @type {Map<any, any>} */
  #places = new Map();
  /** What was made of it, and what has been looked at. @type {Map<any, any>} */
  #done = new Map();
  #streams;

  /** @param {any[]} aside @param {BodyId[]} streams */
  constructor(aside, streams) {
    this.#streams = streams;
    for (let i = 0; i < aside.length; i++) mapSet(this.#places, aside[i][0], aside[i]);
  }

  /** The value with everything in its place. @param {any} value */
  revive(value) {
    if (typeof value !== "object" || value === null) return value;
    if (mapHas(this.#done, value)) return mapGet(this.#done, value);
    const entry = mapGet(this.#places, value);
    if (entry !== undefined) return this.#make(value, entry[1], entry[2]);
    mapSet(this.#done, value, value);
    if (isView(value) || isArrayBuffer(value)) return value;
    if (isReal(mapSize, value)) {
      /** @type {any[]} */
      const entries = [];
      mapForEach(value, (item, key) => (entries[entries.length] = [this.revive(key), this.revive(item)]));
      const copy = new Map();
      mapSet(this.#done, value, copy);
      for (let i = 0; i < entries.length; i++) mapSet(copy, entries[i][0], entries[i][1]);
      return copy;
    }
    if (isReal(setSize, value)) {
      const copy = new Set();
      setForEach(value, (item) => setAdd(copy, this.revive(item)));
      mapSet(this.#done, value, copy);
      return copy;
    }
    const keys = objectKeys(value);
    for (let i = 0; i < keys.length; i++) {
      const key = /** @type {string} */ (keys[i]);
      const item = value[key];
      const revived = this.revive(item);
      if (revived !== item) setOwn(value, key, revived);
    }
    return value;
  }

  /** @param {any} place @param {string} kind @param {any} facts */
  #make(place, kind, facts) {
    const made = kind === "Error" ? this.#error(place, facts) : this.#platformObject(kind, facts);
    mapSet(this.#done, place, made);
    return made;
  }

  /** @param {any} place @param {any} facts */
  #error(place, facts) {
    const Class = ERROR_CLASSES[facts.class] ?? Error;
    const error = new Class(facts.message);
    mapSet(this.#done, place, error);
    hide(error, "stack", facts.stack);
    if (facts.name !== error.name) hide(error, "name", facts.name);
    if ("cause" in facts) hide(error, "cause", this.revive(facts.cause));
    const keys = objectKeys(facts.own);
    for (let i = 0; i < keys.length; i++) {
      const key = /** @type {string} */ (keys[i]);
      setOwn(error, key, this.revive(facts.own[key]));
    }
    return error;
  }

  /** @param {string} kind @param {any} facts */
  #platformObject(kind, facts) {
    switch (kind) {
      case "DOMException": {
        const error = new DOMException(facts.message, facts.name);
        hide(error, "stack", facts.stack);
        return error;
      }
      case "Headers":
        return newHeaders(facts, false);
      case "Blob":
        return newBlob(facts.bytes, facts.type);
      case "File":
        return newFile(facts.bytes, facts.type, facts.name, facts.lastModified);
      case "ReadableStream":
        return this.#stream(facts);
      case "Request": {
        const state = newRequestState();
        state.method = facts.method;
        state.url = facts.url;
        state.list = facts.list;
        state.redirect = facts.redirect;
        state.body = this.#body(facts.body);
        return new Request(INTERNAL, state);
      }
      case "Response": {
        const state = newResponseState();
        state.status = facts.status;
        state.statusText = facts.statusText;
        state.list = facts.list;
        state.url = facts.url;
        state.redirected = facts.redirected;
        state.type = facts.type;
        state.body = this.#body(facts.body);
        return new Response(INTERNAL, state);
      }
      default:
        throw new TypeError(`A value of the kind ${kind} came from another Worker, which this runtime does not know.`);
    }
  }

  /** @param {any} facts */
  #stream(facts) {
    const id = this.#streams[facts.stream] ?? 0;
    return id === 0 ? new Body("", 0, undefined).stream : newNativeStream(id, current);
  }

  /** @param {any} facts */
  #body(facts) {
    if (facts === null) return null;
    if (facts.source !== undefined) return new Body(facts.source, 0, undefined);
    const id = this.#streams[facts.stream] ?? 0;
    return id === 0 ? new Body("", 0, undefined) : nativeBody(id);
  }
}

/** @param {any} object @param {string} name @param {any} value */
function hide(object, name, value) {
  defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
}

/** The value again. @param {Uint8Array} bytes @param {BodyId[]} streams */
export function deserialize(bytes, streams) {
  const whole = /** @type {any} */ (host.deserialize(bytes));
  const aside = whole[1];
  return aside.length === 0 ? whole[0] : new ValueReader(aside, streams).revive(whole[0]);
}

/** What is thrown, for another Worker: whatever it is, something is told. @param {any} error */
export function serializeThrown(error) {
  try {
    return serialize(error, true).bytes;
  } catch {
    return serialize(new TypeError("The Worker threw something that cannot be sent to another one."), true).bytes;
  }
}
