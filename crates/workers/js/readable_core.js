/**
 * The readable side of the Streams Standard (https://streams.spec.whatwg.org/#rs): what the classes and the
 * controllers have in common. Works on states, which scripts never see; the classes are thin covers of them.
 */
import { TypeError, markHandled, newPromise, promiseReject, promiseResolve, promiseThen } from "./primordials.js";
import { checkOwner, current } from "./invocation.js";
import { Queue } from "./queue.js";

export const READABLE = 0;
export const CLOSED = 1;
export const ERRORED = 2;

/**
 * What waits for one chunk. `close` gets a view when a BYOB reader waits.
 * @typedef {object} ReadRequest
 * @property {(chunk: any) => void} chunk
 * @property {(view?: any) => void} close
 * @property {(reason: any) => void} error
 */

/**
 * What a stream asks of its controller, default or byte.
 * @typedef {object} Controller
 * @property {(reason: any) => Promise<void>} cancelSteps
 * @property {(request: ReadRequest) => void} pullSteps
 * @property {() => void} releaseSteps
 * @property {boolean} bytes whether it is a byte stream's
 */

/** A ReadableStream's slots. */
export class ReadableState {
  state = READABLE;
  /** @type {any} */
  storedError = undefined;
  disturbed = false;
  /** @type {ReaderState | undefined} */
  reader = undefined;
  /** @type {any} a DefaultController or a ByteController */
  controller = undefined;
  /**
   * Where the bytes come from when that is outside of JavaScript; see `native_stream.js`.
   * @type {import("./native_stream.js").NativeSource | undefined}
   */
  native = undefined;
  /** How many bytes it will give, when it is a FixedLengthStream's. @type {number | bigint | undefined} */
  fixedLength = undefined;
}

/** A reader's slots: of a public one, or one inside of the runtime. */
export class ReaderState {
  /** @type {ReadableState | undefined} */
  stream = undefined;
  /** @type {Queue<ReadRequest>} */
  requests = new Queue();
  /** @type {boolean} */
  byob;
  /** Made when someone asks for `closed`. @type {{promise: Promise<any>, resolve: (value: any) => void, reject: (reason: any) => void} | undefined} */
  #closed = undefined;

  /** @param {boolean} byob */
  constructor(byob) {
    this.byob = byob;
  }

  /** The promise of `reader.closed`. */
  get closed() {
    if (this.#closed === undefined) {
      const { stream } = this;
      this.#closed = newPromise();
      markHandled(this.#closed.promise);
      if (stream === undefined) this.#closed.reject(released());
      else if (stream.state === CLOSED) this.#closed.resolve(undefined);
      else if (stream.state === ERRORED) this.#closed.reject(stream.storedError);
    }
    return this.#closed.promise;
  }

  streamClosed() {
    this.#closed?.resolve(undefined);
  }

  /** @param {any} reason */
  streamErrored(reason) {
    this.#closed?.reject(reason);
  }

  /** `closed` is rejected from now on. @param {boolean} pending whether the stream was readable */
  streamReleased(pending) {
    if (this.#closed === undefined) return;
    if (!pending) {
      this.#closed = newPromise();
      markHandled(this.#closed.promise);
    }
    this.#closed.reject(released());
  }
}

function released() {
  return new TypeError("This ReadableStream reader has been released.");
}

/** @param {ReadableState} stream @param {boolean} byob */
export function acquireReader(stream, byob) {
  if (stream.native !== undefined) checkOwner(stream.native.owner);
  if (stream.reader !== undefined) {
    throw new TypeError("This ReadableStream is currently locked to a reader.");
  }
  if (byob && !stream.controller.bytes) {
    throw new TypeError("This ReadableStream does not support BYOB reads: it is not a byte stream.");
  }
  const reader = new ReaderState(byob);
  reader.stream = stream;
  stream.reader = reader;
  return reader;
}

/** ReadableStreamReaderGenericRelease and what follows from it. @param {ReaderState} reader */
export function releaseReader(reader) {
  const { stream } = reader;
  if (stream === undefined) return;
  reader.streamReleased(stream.state === READABLE);
  stream.controller.releaseSteps();
  stream.reader = undefined;
  reader.stream = undefined;
  const error = new TypeError("This ReadableStream reader has been released.");
  const requests = reader.requests.drain();
  for (let i = 0; i < requests.length; i++) requests[i]?.error(error);
}

/** ReadableStreamDefaultReaderRead. @param {ReaderState} reader @param {ReadRequest} request */
export function readFrom(reader, request) {
  const stream = /** @type {ReadableState} */ (reader.stream);
  if (stream.native !== undefined && stream.native.owner !== current) {
    refuse(stream.native.owner, request);
    return;
  }
  stream.disturbed = true;
  if (stream.state === CLOSED) request.close();
  else if (stream.state === ERRORED) request.error(stream.storedError);
  else stream.controller.pullSteps(request);
}

/** @param {Invocation} owner @param {ReadRequest} request */
function refuse(owner, request) {
  try {
    checkOwner(owner);
  } catch (error) {
    request.error(error);
  }
}

/** ReadableStreamCancel. @param {ReadableState} stream @param {any} reason @returns {Promise<undefined>} */
export function cancelStream(stream, reason) {
  stream.disturbed = true;
  if (stream.state === CLOSED) return promiseResolve(undefined);
  if (stream.state === ERRORED) return promiseReject(stream.storedError);
  closeStream(stream);
  const { reader } = stream;
  if (reader !== undefined && reader.byob) {
    const requests = reader.requests.drain();
    for (let i = 0; i < requests.length; i++) requests[i]?.close(undefined);
  }
  return promiseThen(stream.controller.cancelSteps(reason), () => undefined);
}

/** ReadableStreamClose. @param {ReadableState} stream */
export function closeStream(stream) {
  stream.state = CLOSED;
  const { reader } = stream;
  if (reader === undefined) return;
  reader.streamClosed();
  if (!reader.byob) {
    const requests = reader.requests.drain();
    for (let i = 0; i < requests.length; i++) requests[i]?.close();
  }
}

/** ReadableStreamError. @param {ReadableState} stream @param {any} reason */
export function errorStream(stream, reason) {
  stream.state = ERRORED;
  stream.storedError = reason;
  const { reader } = stream;
  if (reader === undefined) return;
  reader.streamErrored(reason);
  const requests = reader.requests.drain();
  for (let i = 0; i < requests.length; i++) requests[i]?.error(reason);
}

/** How many reads wait; of a BYOB reader when `byob`. @param {ReadableState} stream @param {boolean} byob */
export function waitingReads(stream, byob) {
  const { reader } = stream;
  return reader !== undefined && reader.byob === byob ? reader.requests.length : 0;
}

/** Hands a chunk to the read that waits longest. @param {ReadableState} stream @param {any} chunk @param {boolean} done */
export function fulfillRead(stream, chunk, done) {
  const request = /** @type {ReaderState} */ (stream.reader).requests.shift();
  if (done) request.close(chunk);
  else request.chunk(chunk);
}
