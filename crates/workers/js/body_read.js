/** Reading a body to its end (https://fetch.spec.whatwg.org/#concept-body-consume-body). */
import { newBlob } from "./blob.js";
import { concat, utf8Decode, utf8Encode } from "./bytes.js";
import { parseFormData } from "./form_data.js";
import host from "./host_object.js";
import { checkOwner, onComplete } from "./invocation.js";
import { extractMediaType, serializeMediaType } from "./mime_type.js";
import {
  TypeError,
  Uint8Array,
  arrayBufferByteLength,
  charCodeAt,
  isUint8Array,
  jsonParse,
  markHandled,
  newPromise,
  promiseResolve,
  promiseThen,
  stringSlice,
  toWellFormed,
  typedArrayBuffer,
  typedArrayByteLength,
  typedArraySlice,
} from "./primordials.js";
import { acquireReader, cancelStream, readFrom } from "./readable_core.js";
import { stateOf } from "./readable_stream.js";

/**
 * @typedef {import("./body.js").Body} Body
 * @typedef {import("./readable_core.js").ReadableState} ReadableState
 */

// What is read goes to a callback and only what the caller gets goes into a promise: resolving one with an object looks
// up its `then`, which a Worker may have put on Object.prototype.

/**
 * @param {ReadableState} state
 * @param {(bytes: Uint8Array<ArrayBuffer>) => void} resolve
 * @param {(reason: any) => void} reject
 */
function readAll(state, resolve, reject) {
  const reader = acquireReader(state, false);
  /** @type {Uint8Array[]} */
  const parts = [];
  const again = () => readFrom(reader, request);
  const request = {
    chunk(/** @type {any} */ chunk) {
      if (!isUint8Array(chunk)) {
        const error = new TypeError("A chunk of the body is not a Uint8Array.");
        markHandled(cancelStream(state, error));
        reject(error);
        return;
      }
      parts[parts.length] = chunk;
      // Through a microtask, so that a long queue does not become a deep stack.
      promiseThen(promiseResolve(undefined), again);
    },
    close: () => resolve(parts.length === 1 ? /** @type {any} */ (parts[0]) : concat(parts)),
    error: reject,
  };
  again();
}

/**
 * Waits for a native body that is read whole.
 * @param {Body} body
 * @param {Operation} operation
 * @param {(value: any) => void} resolve
 * @param {(reason: any) => void} reject
 */
function whenRead(body, operation, resolve, reject) {
  body.reading = { operation, reject };
  onComplete(operation, resolve, reject);
}

/** @param {Body} body @param {(bytes: Uint8Array<ArrayBuffer>) => void} resolve @param {(reason: any) => void} reject */
function takeBytes(body, resolve, reject) {
  const { source } = body;
  if (source !== undefined) {
    body.markUsed();
    resolve(typeof source === "string" ? utf8Encode(source) : typedArraySlice(source));
    return;
  }
  const native = body.takeNative();
  if (native !== 0) whenRead(body, host.bodyReadAll(native), resolve, reject);
  else readAll(stateOf(body.stream), resolve, reject);
}

/** @param {Body} body @param {(text: string) => void} resolve @param {(reason: any) => void} reject */
function takeText(body, resolve, reject) {
  const { source } = body;
  if (typeof source === "string") {
    body.markUsed();
    resolve(withoutMark(toWellFormed(source)));
    return;
  }
  if (source === undefined) {
    const native = body.takeNative();
    if (native !== 0) {
      whenRead(body, host.bodyReadText(native), resolve, reject);
      return;
    }
  }
  takeBytes(body, (bytes) => resolve(utf8Decode(bytes)), reject);
}

/** @param {string} text */
function withoutMark(text) {
  return text.length > 0 && charCodeAt(text, 0) === 0xfeff ? stringSlice(text, 1) : text;
}

/**
 * Reads a body and converts it; what fails, or cannot be read now, rejects.
 * @template T
 * @param {Body | null} body
 * @param {(body: Body, resolve: (value: any) => void, reject: (reason: any) => void) => void} take
 * @param {any} empty what there is to convert when there is no body
 * @param {(value: any) => T} convert
 * @returns {Promise<T>}
 */
function consume(body, take, empty, convert) {
  const { promise, resolve, reject } = newPromise();
  const finish = (/** @type {any} */ value) => {
    try {
      resolve(convert(value));
    } catch (error) {
      reject(error);
    }
  };
  try {
    if (body === null) {
      finish(empty);
    } else {
      const error = body.unusable;
      if (error !== undefined) throw error;
      if (body.source === undefined) checkOwner(body.owner);
      if (body.aborted !== undefined) throw body.aborted.reason;
      take(body, finish, reject);
    }
  } catch (error) {
    reject(error);
  }
  return promise;
}

/** @template T @param {T} value @returns {T} */
const same = (value) => value;
const fromJson = (/** @type {string} */ text) => jsonParse(text);
const noBytes = new Uint8Array(0);

/** @param {Body | null} body @returns {Promise<string>} */
export function bodyText(body) {
  return consume(body, takeText, "", same);
}

/** @param {Body | null} body @returns {Promise<any>} */
export function bodyJson(body) {
  return consume(body, takeText, "", fromJson);
}

/** @param {Body | null} body @returns {Promise<Uint8Array<ArrayBuffer>>} */
export function bodyBytes(body) {
  return consume(body, takeBytes, noBytes, wholeBuffer);
}

/** Bytes that have their buffer for themselves. @param {Uint8Array<ArrayBuffer>} bytes */
function wholeBuffer(bytes) {
  return typedArrayByteLength(bytes) > 0 && arrayBufferByteLength(typedArrayBuffer(bytes)) === typedArrayByteLength(bytes)
    ? bytes
    : typedArraySlice(bytes);
}

/** @param {Body | null} body @returns {Promise<ArrayBuffer>} */
export function bodyArrayBuffer(body) {
  return consume(body, takeBytes, noBytes, (bytes) => typedArrayBuffer(wholeBuffer(bytes)));
}

/** @param {Body | null} body @param {string | null} type its Content-Type */
export function bodyBlob(body, type) {
  return consume(body, takeBytes, noBytes, (bytes) => {
    const media = extractMediaType(type);
    return newBlob(bytes, media === undefined ? "" : serializeMediaType(media));
  });
}

/** @param {Body | null} body @param {string | null} type its Content-Type */
export function bodyFormData(body, type) {
  return consume(body, takeBytes, noBytes, (bytes) => parseFormData(bytes, type));
}
