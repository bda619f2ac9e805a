/**
 * What Request and Response have in common (https://fetch.spec.whatwg.org/#body-mixin). A body enters JavaScript as late
 * as possible: text and bytes are kept as they were given, a native one is read only when someone asks, and one that
 * nobody looked at goes out as it came in.
 */
import { blobBytes, blobType, isBlob, newBlob } from "./blob.js";
import { concat, utf8Decode, utf8Encode } from "./bytes.js";
import { isFormData, parseFormData, serializeFormData } from "./form_data.js";
import { trimmed } from "./headers.js";
import host from "./host_object.js";
import { checkOwner, current, promiseOf } from "./invocation.js";
import { newNativeStream, takeNative } from "./native_stream.js";
import {
  TypeError,
  isUint8Array,
  jsonParse,
  newPromise,
  promiseReject,
  promiseResolve,
  promiseThen,
  toLowerCase,
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
    const { first, second } = tee(stateOf(this.stream));
    this.#stream = newReadableStream(first);
    const body = new Body(undefined, 0, newReadableStream(second));
    body.owner = this.owner;
    return body;
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

/** @param {ReadableState} state @returns {Promise<Uint8Array<ArrayBuffer>>} */
function readAll(state) {
  const { promise, resolve, reject } = newPromise();
  const reader = acquireReader(state, false);
  /** @type {Uint8Array[]} */
  const parts = [];
  const again = () => readFrom(reader, request);
  const request = {
    chunk(/** @type {any} */ chunk) {
      if (!isUint8Array(chunk)) {
        const error = new TypeError("A chunk of the body is not a Uint8Array.");
        cancelStream(state, error);
        reject(error);
        return;
      }
      parts[parts.length] = chunk;
      // Through a microtask, so that a long queue does not become a deep stack.
      promiseThen(promiseResolve(undefined), again);
    },
    close: () => resolve(concat(parts)),
    error: reject,
  };
  again();
  return promise;
}

/** @param {Body} body @returns {Promise<Uint8Array<ArrayBuffer>>} */
function takeBytes(body) {
  const { source } = body;
  if (source !== undefined) {
    body.markUsed();
    return promiseResolve(typeof source === "string" ? utf8Encode(source) : typedArraySlice(source));
  }
  const native = body.takeNative();
  if (native !== 0) return promiseOf(host.bodyReadAll(native));
  return readAll(stateOf(body.stream));
}

/** @param {Body} body @returns {Promise<string>} */
function takeText(body) {
  const { source } = body;
  if (typeof source === "string") {
    body.markUsed();
    return promiseResolve(withoutMark(toWellFormed(source)));
  }
  if (source === undefined) {
    const native = body.takeNative();
    if (native !== 0) return promiseOf(host.bodyReadText(native));
  }
  return promiseThen(takeBytes(body), utf8Decode);
}

/** @param {string} text */
function withoutMark(text) {
  return text.length > 0 && charCodeAt(text, 0) === 0xfeff ? stringSlice(text, 1) : text;
}

/**
 * Why it cannot be read now; as a rejected promise.
 * @param {Body | null} body
 */
function refusal(body) {
  if (body === null) return undefined;
  const error = body.unusable;
  if (error !== undefined) return promiseReject(error);
  if (body.owner !== current && body.source === undefined) {
    try {
      checkOwner(body.owner);
    } catch (error) {
      return promiseReject(error);
    }
  }
  if (body.aborted !== undefined && body.native !== 0) return promiseReject(body.aborted.reason);
  return undefined;
}

/** @param {Body | null} body @returns {Promise<string>} */
export function bodyText(body) {
  return refusal(body) ?? (body === null ? promiseResolve("") : takeText(body));
}

/** @param {Body | null} body @returns {Promise<any>} */
export function bodyJson(body) {
  return promiseThen(bodyText(body), jsonOf);
}
const jsonOf = (/** @type {string} */ text) => jsonParse(text);

/** @param {Body | null} body @returns {Promise<Uint8Array<ArrayBuffer>>} */
export function bodyBytes(body) {
  return refusal(body) ?? (body === null ? promiseResolve(utf8Encode("")) : takeBytes(body));
}

/** @param {Body | null} body @returns {Promise<ArrayBuffer>} */
export function bodyArrayBuffer(body) {
  return promiseThen(bodyBytes(body), (bytes) => {
    const buffer = typedArrayBuffer(bytes);
    return arrayBufferByteLength(buffer) === typedArrayByteLength(bytes) ? buffer : typedArrayBuffer(typedArraySlice(bytes));
  });
}

/** @param {Body | null} body @param {string | null} type its Content-Type @returns {Promise<import("./blob.js").Blob>} */
export function bodyBlob(body, type) {
  return promiseThen(bodyBytes(body), (bytes) => newBlob(bytes, type === null ? "" : toLowerCase(trimmed(type))));
}

/** @param {Body | null} body @param {string | null} type its Content-Type @returns {Promise<any>} */
export function bodyFormData(body, type) {
  return promiseThen(bodyBytes(body), (bytes) => parseFormData(bytes, type));
}
