/**
 * What Request and Response have in common (https://fetch.spec.whatwg.org/#body-mixin). A body enters JavaScript as late
 * as possible: text and bytes are kept as they were given, a native one is read only when someone asks, and one that
 * nobody looked at goes out as it came in.
 */
import { blobBytes, blobType, isBlob } from "./blob.js";
import { utf8Encode } from "./bytes.js";
import { isFormData, serializeFormData } from "./form_data.js";
import host from "./host_object.js";
import { cancelOperation, checkOwner, current } from "./invocation.js";
import { newNativeStream, takeNative } from "./native_stream.js";
import {
  TypeError,
  isUint8Array,
  markHandled,
  newPromise,
  promiseResolve,
  promiseThen,
  typedArrayByteLength,
  typedArraySlice,
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
  /** What reads a native body whole, and what is told when that is given up. @type {{operation: Operation, reject: (reason: any) => void} | undefined} */
  reading = undefined;

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
    if (this.reading !== undefined) {
      cancelOperation(this.reading.operation);
      this.reading.reject(reason);
    } else if (this.#stream !== undefined) {
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

/** A body that is there and has no bytes. */
export function emptyBody() {
  return new Body("", 0, undefined);
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
