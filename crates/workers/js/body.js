/**
 * What Request and Response have in common (https://fetch.spec.whatwg.org/#body-mixin). A body enters JavaScript as late
 * as possible: text and bytes are kept as they were given, a native one is read only when someone asks, and one that
 * nobody looked at goes out as it came in.
 */
import { blobBytes, blobType, isBlob, newBlob } from "./blob.js";
import { concat, utf8Decode, utf8Encode } from "./bytes.js";
import { isFormData, parseFormData, serializeFormData } from "./form_data.js";
import host from "./host_object.js";
import { checkOwner, current, onComplete } from "./invocation.js";
import { extractMediaType, serializeMediaType } from "./mime_type.js";
import { newNativeStream, takeNative } from "./native_stream.js";
import {
  TypeError,
  Uint8Array,
  isUint8Array,
  markHandled,
  jsonParse,
  newPromise,
  promiseResolve,
  promiseThen,
  toWellFormed,
  typedArrayBuffer,
  typedArrayByteLength,
  typedArraySlice,
  arrayBufferByteLength,
  charCodeAt,
  stringSlice,
} from "./primordials.js";
import { ByteController } from "./readable_byte.js";
import { READABLE, ReadableState, acquireReader, cancelStream, readFrom } from "./readable_core.js";
import { isReadableStream, newReadableStream, stateOf } from "./readable_stream.js";
import { tee } from "./readable_tee.js";
import { isURLSearchParams, serializeSearchParams } from "./url_search_params.js";
import { isBufferSource, toUSVString, viewOf } from "./webidl.js";

/** @typedef {import("./readable_stream.js").ReadableStream} ReadableStream */

/** A body that is not null. */
export class Body {
  /** What it was made of, when that is not a stream: it can be sent whole, and again. @type {string | Uint8Array | undefined} */
  source;
  /** A native body that has no stream yet; else 0. @type {BodyId} */
  native;
  /** @type {ReadableStream | undefined} */
  #stream;
  /** Taken without a stream. */
  #used = false;
  /** @type {Invocation} */
  owner;
  /** Set when the fetch that it belongs to was aborted: reading fails with it. @type {{reason: any} | undefined} */
  aborted = undefined;

  /** @param {string | Uint8Array | undefined} source @param {BodyId} native @param {ReadableStream | undefined} stream */
  constructor(source, native, stream) {
    this.source = source;
    this.native = native;
    this.#stream = stream;
    this.owner = current;
  }

  /** Its stream, made when first asked for. */
  get stream() {
    if (this.#stream !== undefined) return this.#stream;
    if (this.native !== 0) {
      this.#stream = newNativeStream(this.native, this.owner);
      this.native = 0;
    } else {
      this.#stream = streamOfBytes(this.source);
    }
    if (this.#used) {
      const state = stateOf(this.#stream);
      state.disturbed = true;
      acquireReader(state, false);
    }
    if (this.aborted !== undefined) stateOf(this.#stream).controller.error(this.aborted.reason);
    return this.#stream;
  }

  get used() {
    return this.#used || (this.#stream !== undefined && stateOf(this.#stream).disturbed);
  }

  get locked() {
    return this.#used || (this.#stream !== undefined && stateOf(this.#stream).reader !== undefined);
  }

  /** Why it cannot be read or sent, if so. @returns {TypeError | undefined} */
  get unusable() {
    if (this.used) {
      return new TypeError(
        "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.",
      );
    }
    if (this.locked) return new TypeError("This ReadableStream is currently locked to a reader.");
    return undefined;
  }

  /** Marks it as read, when it was taken whole. */
  markUsed() {
    if (this.#stream !== undefined) {
      const state = stateOf(this.#stream);
      if (state.state === READABLE && state.reader === undefined) cancelStream(state, undefined);
      state.disturbed = true;
    }
    this.#used = true;
  }

  /** Takes the native body out, when nothing has looked at it: its id, else 0. @returns {BodyId} */
  takeNative() {
    if (this.#stream !== undefined) return this.aborted === undefined ? takeNative(stateOf(this.#stream)) : 0;
    const { native } = this;
    if (native === 0 || this.#used || this.aborted !== undefined) return 0;
    checkOwner(this.owner);
    this.native = 0;
    this.#used = true;
    return native;
  }

  /** A body that takes over all of this one, which is used from then on; it must not be `unusable`. */
  handOver() {
    if (this.#stream === undefined) {
      const body = new Body(this.source, this.native, undefined);
      body.owner = this.owner;
      body.aborted = this.aborted;
      this.native = 0;
      this.#used = true;
      return body;
    }
    const state = stateOf(this.#stream);
    if (this.source !== undefined) {
      const body = new Body(this.source, 0, undefined);
      this.markUsed();
      return body;
    }
    const native = takeNative(state);
    if (native !== 0) {
      const body = new Body(undefined, native, undefined);
      body.owner = this.owner;
      return body;
    }
    // The bytes go on through a stream of their own; this one stays locked.
    return new Body(undefined, 0, newReadableStream(proxyOf(state)));
  }

  /** A second body of the same bytes. */
  clone() {
    const { source } = this;
    if (source !== undefined) return new Body(source, 0, undefined);
    const { first, second } = tee(stateOf(this.stream), true);
    this.#stream = newReadableStream(first);
    const body = new Body(undefined, 0, newReadableStream(second));
    body.owner = this.owner;
    return body;
  }

  /** Nobody will read it. @param {any} reason */
  cancel(reason) {
    if (this.#stream !== undefined) {
      const state = stateOf(this.#stream);
      if (state.state === READABLE) markHandled(cancelStream(state, reason));
    } else if (this.native !== 0) {
      host.bodyCancel(this.native);
      this.native = 0;
    }
    this.#used = true;
  }

  /** The fetch that it belongs to was aborted. @param {any} reason */
  abort(reason) {
    this.aborted = { reason };
    if (this.#stream !== undefined) {
      const state = stateOf(this.#stream);
      if (state.state === READABLE) state.controller.error(reason);
      state.native?.cancel();
    } else if (this.native !== 0) {
      host.bodyCancel(this.native);
    }
  }
}

/** A byte stream that gives what an untouched stream gives. @param {ReadableState} state */
function proxyOf(state) {
  const first = new ReadableState();
  first.fixedLength = state.fixedLength;
  const reader = acquireReader(state, false);
  state.disturbed = true;
  const pull = () => {
    const { promise, resolve, reject } = newPromise();
    readFrom(reader, {
      chunk(chunk) {
        if (!isUint8Array(chunk)) {
          const error = new TypeError("A chunk of the body is not a Uint8Array.");
          cancelStream(state, error);
          reject(error);
          return;
        }
        if (typedArrayByteLength(chunk) > 0) first.controller.enqueue(typedArraySlice(chunk));
        else promiseThen(promiseResolve(undefined), pull);
        resolve(undefined);
      },
      close() {
        first.controller.close();
        if (first.controller.byobRequest !== null) first.controller.respond(0);
        resolve(undefined);
      },
      error: reject,
    });
    return promise;
  };
  new ByteController(first, { start: undefined, pull, cancel: (reason) => cancelStream(state, reason) }, 0, undefined);
  return first;
}

/** @param {string | Uint8Array | undefined} source */
function streamOfBytes(source) {
  const state = new ReadableState();
  const pull = () => {
    const bytes = typeof source === "string" ? utf8Encode(source) : typedArraySlice(/** @type {Uint8Array} */ (source));
    if (typedArrayByteLength(bytes) > 0) state.controller.enqueue(bytes);
    state.controller.close();
    if (state.controller.byobRequest !== null) state.controller.respond(0);
    return promiseResolve(undefined);
  };
  new ByteController(state, { start: undefined, pull, cancel: () => promiseResolve(undefined) }, 0, undefined);
  return newReadableStream(state);
}

/** @param {BodyId} id */
export function nativeBody(id) {
  return new Body(undefined, id, undefined);
}

/** The Content-Type that the last `extractBody` found, or null. @type {string | null} */
export let extractedType = null;

/**
 * The body of a BodyInit that is neither null nor undefined; its Content-Type is in `extractedType`.
 * @param {any} init
 * @returns {Body}
 */
export function extractBody(init) {
  extractedType = null;
  if (typeof init === "string") {
    extractedType = "text/plain;charset=UTF-8";
    return new Body(init, 0, undefined);
  }
  if (isReadableStream(init)) {
    const state = stateOf(init);
    if (state.disturbed) {
      throw new TypeError("This ReadableStream is disturbed (has already been read from), and cannot be used as a body.");
    }
    if (state.reader !== undefined) throw new TypeError("This ReadableStream is currently locked to a reader.");
    return new Body(undefined, 0, init);
  }
  if (isBlob(init)) {
    const type = blobType(init);
    if (type !== "") extractedType = type;
    return new Body(blobBytes(init), 0, undefined);
  }
  if (isBufferSource(init)) return new Body(typedArraySlice(viewOf(init, "The body")), 0, undefined);
  if (isFormData(init)) {
    const { bytes, type } = serializeFormData(init);
    extractedType = type;
    return new Body(bytes, 0, undefined);
  }
  if (isURLSearchParams(init)) {
    extractedType = "application/x-www-form-urlencoded;charset=UTF-8";
    return new Body(serializeSearchParams(init), 0, undefined);
  }
  extractedType = "text/plain;charset=UTF-8";
  return new Body(toUSVString(init), 0, undefined);
}

// === reading it all ===
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

/** @param {Body} body @param {(bytes: Uint8Array<ArrayBuffer>) => void} resolve @param {(reason: any) => void} reject */
function takeBytes(body, resolve, reject) {
  const { source } = body;
  if (source !== undefined) {
    body.markUsed();
    resolve(typeof source === "string" ? utf8Encode(source) : typedArraySlice(source));
    return;
  }
  const native = body.takeNative();
  if (native !== 0) onComplete(host.bodyReadAll(native), resolve, reject);
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
      onComplete(host.bodyReadText(native), resolve, reject);
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
