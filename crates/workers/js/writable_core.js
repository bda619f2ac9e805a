/**
 * The writable side of the Streams Standard (https://streams.spec.whatwg.org/#ws): states and what is done to them.
 * The classes in `writable_stream.js` are thin covers.
 */
import { abortSignal } from "./abort.js";
import { TypeError, markHandled, newPromise, promiseReject, promiseResolve, promiseThen } from "./primordials.js";
import { Queue } from "./queue.js";

export const WRITABLE = "writable";

/** @typedef {{promise: Promise<any>, resolve: (value?: any) => void, reject: (reason: any) => void}} Settle */

/** A WritableStream's slots. */
export class WritableState {
  /** @type {"writable" | "erroring" | "errored" | "closed"} */
  state = WRITABLE;
  /** @type {any} */
  storedError = undefined;
  /** @type {WriterState | undefined} */
  writer = undefined;
  /** @type {any} a WritableController */
  controller = undefined;
  /** @type {Queue<Settle>} */
  writeRequests = new Queue();
  /** @type {Settle | undefined} */
  inFlightWrite = undefined;
  /** @type {Settle | undefined} */
  closeRequest = undefined;
  /** @type {Settle | undefined} */
  inFlightClose = undefined;
  /** @type {{settle: Settle, reason: any, wasErroring: boolean} | undefined} */
  pendingAbort = undefined;
  backpressure = false;
}

/** A writer's slots. */
export class WriterState {
  /** @type {WritableState | undefined} */
  stream;
  /** @type {Settle} */
  #ready = newPromise();
  #readyPending = true;
  /** @type {Settle} */
  #closed = newPromise();
  #closedPending = true;

  /** @param {WritableState} stream */
  constructor(stream) {
    this.stream = stream;
    markHandled(this.#ready.promise);
    markHandled(this.#closed.promise);
  }

  get ready() {
    return this.#ready.promise;
  }

  get closed() {
    return this.#closed.promise;
  }

  becomesReady() {
    this.#readyPending = false;
    this.#ready.resolve(undefined);
  }

  becomesBusy() {
    this.#ready = newPromise();
    this.#readyPending = true;
  }

  /** @param {any} reason */
  rejectReady(reason) {
    if (!this.#readyPending) this.#ready = newPromise();
    this.#readyPending = false;
    markHandled(this.#ready.promise);
    this.#ready.reject(reason);
  }

  becomesClosed() {
    this.#closedPending = false;
    this.#closed.resolve(undefined);
  }

  /** @param {any} reason */
  rejectClosed(reason) {
    if (!this.#closedPending) this.#closed = newPromise();
    this.#closedPending = false;
    markHandled(this.#closed.promise);
    this.#closed.reject(reason);
  }
}

/** SetUpWritableStreamDefaultWriter. @param {WritableState} stream */
export function acquireWriter(stream) {
  if (stream.writer !== undefined) throw new TypeError("This WritableStream is currently locked to a writer.");
  const writer = new WriterState(stream);
  stream.writer = writer;
  if (stream.state === WRITABLE) {
    if (closeOrCloseInFlight(stream) || !stream.backpressure) writer.becomesReady();
  } else if (stream.state === "erroring") {
    writer.rejectReady(stream.storedError);
  } else if (stream.state === "closed") {
    writer.becomesReady();
    writer.becomesClosed();
  } else {
    writer.rejectReady(stream.storedError);
    writer.rejectClosed(stream.storedError);
  }
  return writer;
}

/** @param {WriterState} writer */
export function releaseWriter(writer) {
  const { stream } = writer;
  if (stream === undefined) return;
  const released = new TypeError("This WritableStream writer has been released.");
  writer.rejectReady(released);
  writer.rejectClosed(released);
  stream.writer = undefined;
  writer.stream = undefined;
}

/** @param {WriterState} writer @param {any} chunk @returns {Promise<any>} */
export function writeTo(writer, chunk) {
  const stream = writer.stream;
  if (stream === undefined) return promiseReject(new TypeError("This WritableStream writer has been released."));
  const { controller } = stream;
  const size = controller.chunkSize(chunk);
  if (stream !== writer.stream) return promiseReject(new TypeError("This WritableStream writer has been released."));
  if (stream.state === "errored") return promiseReject(stream.storedError);
  if (closeOrCloseInFlight(stream) || stream.state === "closed") {
    return promiseReject(new TypeError("This WritableStream has been closed, or is being closed."));
  }
  if (stream.state === "erroring") return promiseReject(stream.storedError);
  /** @type {Settle} */
  const request = newPromise();
  stream.writeRequests.push(request);
  controller.write(chunk, size);
  return request.promise;
}

/** WritableStreamDefaultWriterCloseWithErrorPropagation. @param {WriterState} writer @returns {Promise<any>} */
export function closeWithErrorPropagation(writer) {
  const stream = /** @type {WritableState} */ (writer.stream);
  if (closeOrCloseInFlight(stream) || stream.state === "closed") return promiseResolve(undefined);
  if (stream.state === "errored") return promiseReject(stream.storedError);
  return closeWritable(stream);
}

/** @param {WriterState} writer @returns {number | null} */
export function desiredSizeOf(writer) {
  const stream = /** @type {WritableState} */ (writer.stream);
  if (stream.state === "errored" || stream.state === "erroring") return null;
  return stream.state === "closed" ? 0 : stream.controller.desiredSize;
}

/** WritableStreamCloseQueuedOrInFlight. @param {WritableState} stream */
export function closeOrCloseInFlight(stream) {
  return stream.closeRequest !== undefined || stream.inFlightClose !== undefined;
}

/** WritableStreamAbort. @param {WritableState} stream @param {any} reason @returns {Promise<any>} */
export function abortWritable(stream, reason) {
  if (stream.state === "closed" || stream.state === "errored") return promiseResolve(undefined);
  abortSignal(stream.controller.signal, reason);
  // Listeners of the signal may have changed it.
  const state = /** @type {string} */ (stream.state);
  if (state === "closed" || state === "errored") return promiseResolve(undefined);
  if (stream.pendingAbort !== undefined) return stream.pendingAbort.settle.promise;
  const wasErroring = state === "erroring";
  /** @type {Settle} */
  const settle = newPromise();
  stream.pendingAbort = { settle, reason: wasErroring ? undefined : reason, wasErroring };
  if (!wasErroring) startErroring(stream, reason);
  return settle.promise;
}

/** WritableStreamClose. @param {WritableState} stream @returns {Promise<any>} */
export function closeWritable(stream) {
  if (stream.state === "closed" || stream.state === "errored") {
    return promiseReject(new TypeError("This WritableStream has been closed, or has failed."));
  }
  /** @type {Settle} */
  const settle = newPromise();
  stream.closeRequest = settle;
  const { writer } = stream;
  if (writer !== undefined && stream.backpressure && stream.state === WRITABLE) writer.becomesReady();
  stream.controller.close();
  return settle.promise;
}

/** @param {WritableState} stream @param {any} reason */
export function startErroring(stream, reason) {
  const { controller } = stream;
  stream.state = "erroring";
  stream.storedError = reason;
  stream.writer?.rejectReady(reason);
  if (stream.inFlightWrite === undefined && stream.inFlightClose === undefined && controller.started) finishErroring(stream);
}

/** @param {WritableState} stream @param {any} error */
export function dealWithRejection(stream, error) {
  if (stream.state === WRITABLE) startErroring(stream, error);
  else finishErroring(stream);
}

/** @param {WritableState} stream */
export function finishErroring(stream) {
  stream.state = "errored";
  stream.controller.errorSteps();
  const error = stream.storedError;
  const requests = stream.writeRequests.drain();
  for (let i = 0; i < requests.length; i++) requests[i]?.reject(error);
  const { pendingAbort } = stream;
  if (pendingAbort === undefined) {
    rejectClosing(stream);
    return;
  }
  stream.pendingAbort = undefined;
  if (pendingAbort.wasErroring) {
    pendingAbort.settle.reject(error);
    rejectClosing(stream);
    return;
  }
  promiseThen(
    stream.controller.abortSteps(pendingAbort.reason),
    () => {
      pendingAbort.settle.resolve(undefined);
      rejectClosing(stream);
    },
    (reason) => {
      pendingAbort.settle.reject(reason);
      rejectClosing(stream);
    },
  );
}

/** RejectCloseAndClosedPromiseIfNeeded. @param {WritableState} stream */
function rejectClosing(stream) {
  if (stream.closeRequest !== undefined) {
    stream.closeRequest.reject(stream.storedError);
    stream.closeRequest = undefined;
  }
  stream.writer?.rejectClosed(stream.storedError);
}

/** @param {WritableState} stream */
export function finishClose(stream) {
  /** @type {Settle} */ (stream.inFlightClose).resolve(undefined);
  stream.inFlightClose = undefined;
  if (stream.state === "erroring") {
    stream.storedError = undefined;
    if (stream.pendingAbort !== undefined) {
      stream.pendingAbort.settle.resolve(undefined);
      stream.pendingAbort = undefined;
    }
  }
  stream.state = "closed";
  stream.writer?.becomesClosed();
}

/** @param {WritableState} stream @param {any} error */
export function finishCloseWithError(stream, error) {
  /** @type {Settle} */ (stream.inFlightClose).reject(error);
  stream.inFlightClose = undefined;
  if (stream.pendingAbort !== undefined) {
    stream.pendingAbort.settle.reject(error);
    stream.pendingAbort = undefined;
  }
  dealWithRejection(stream, error);
}

/** @param {WritableState} stream @param {boolean} backpressure */
export function updateBackpressure(stream, backpressure) {
  const { writer } = stream;
  if (writer !== undefined && backpressure !== stream.backpressure) {
    if (backpressure) writer.becomesBusy();
    else writer.becomesReady();
  }
  stream.backpressure = backpressure;
}
