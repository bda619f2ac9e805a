/** What controls a WritableStream (https://streams.spec.whatwg.org/#ws-default-controller-abstract-ops). */
import { newSignal } from "./abort.js";
import { promiseThen, resolvedWith } from "./primordials.js";
import { SizedQueue } from "./queue.js";
import {
  WRITABLE,
  closeOrCloseInFlight,
  dealWithRejection,
  finishClose,
  finishCloseWithError,
  finishErroring,
  startErroring,
  updateBackpressure,
} from "./writable_core.js";

/**
 * @typedef {import("./writable_core.js").WritableState} WritableState
 * @typedef {import("./writable_core.js").Settle} Settle
 */

/**
 * What takes the chunks. Promises are native ones.
 * @typedef {object} Sink
 * @property {((controller: any) => any) | undefined} start what it gives is resolved
 * @property {(chunk: any, controller: any) => Promise<any>} write
 * @property {() => Promise<any>} close
 * @property {(reason: any) => Promise<any>} abort
 */

const CLOSE = Symbol("close");

/** The slots of a WritableStreamDefaultController. */
export class WritableController {
  /** @type {WritableState} */
  stream;
  started = false;
  #queue = new SizedQueue();
  /** @type {import("./abort.js").AbortSignal | undefined} */
  #signal;
  /** @type {Sink | undefined} */
  #sink;
  /** @type {number} */
  #highWaterMark;
  /** @type {((chunk: any) => number) | undefined} */
  #size;
  /** What scripts see of it; set by `writable_stream.js`. @type {any} */
  facade = undefined;

  /**
   * @param {WritableState} stream
   * @param {Sink} sink
   * @param {number} highWaterMark
   * @param {((chunk: any) => number) | undefined} size
   */
  constructor(stream, sink, highWaterMark, size) {
    this.stream = stream;
    stream.controller = this;
    this.#sink = sink;
    this.#highWaterMark = highWaterMark;
    this.#size = size;
    updateBackpressure(stream, this.desiredSize <= 0);
    const started = sink.start === undefined ? undefined : sink.start(this);
    promiseThen(
      resolvedWith(started),
      () => {
        this.started = true;
        this.#advance();
      },
      (reason) => {
        this.started = true;
        dealWithRejection(stream, reason);
      },
    );
  }

  /** Aborts when the stream is aborted. */
  get signal() {
    return (this.#signal ??= newSignal());
  }

  get desiredSize() {
    return this.#highWaterMark - this.#queue.total;
  }

  /** @param {any} reason */
  abortSteps(reason) {
    const sink = /** @type {Sink} */ (this.#sink);
    this.#forget();
    return sink.abort(reason);
  }

  errorSteps() {
    this.#queue.reset();
  }

  #forget() {
    this.#sink = undefined;
    this.#size = undefined;
  }

  close() {
    this.#queue.enqueue(CLOSE, 0);
    this.#advance();
  }

  /** @param {any} chunk */
  chunkSize(chunk) {
    // Not called as a method.
    const size = this.#size;
    if (size === undefined) return 1;
    try {
      return size(chunk);
    } catch (error) {
      this.errorIfNeeded(error);
      return 1;
    }
  }

  /** @param {any} chunk @param {number} size */
  write(chunk, size) {
    const { stream } = this;
    try {
      this.#queue.enqueue(chunk, size);
    } catch (error) {
      this.errorIfNeeded(error);
      return;
    }
    if (!closeOrCloseInFlight(stream) && stream.state === WRITABLE) updateBackpressure(stream, this.desiredSize <= 0);
    this.#advance();
  }

  /** @param {any} error */
  errorIfNeeded(error) {
    if (this.stream.state === WRITABLE) this.error(error);
  }

  /** @param {any} error */
  error(error) {
    startErroring(this.stream, error);
  }

  /** AdvanceQueueIfNeeded. */
  #advance() {
    const { stream } = this;
    if (!this.started || stream.inFlightWrite !== undefined) return;
    if (stream.state === "erroring") {
      finishErroring(stream);
      return;
    }
    if (stream.state !== WRITABLE || this.#queue.length === 0) return;
    const chunk = this.#queue.peek();
    if (chunk === CLOSE) this.#processClose();
    else this.#processWrite(chunk);
  }

  #processClose() {
    const { stream } = this;
    stream.inFlightClose = stream.closeRequest;
    stream.closeRequest = undefined;
    this.#queue.dequeue();
    const closed = /** @type {Sink} */ (this.#sink).close();
    this.#forget();
    promiseThen(
      closed,
      () => finishClose(stream),
      (reason) => finishCloseWithError(stream, reason),
    );
  }

  /** @param {any} chunk */
  #processWrite(chunk) {
    const { stream } = this;
    stream.inFlightWrite = stream.writeRequests.shift();
    promiseThen(
      /** @type {Sink} */ (this.#sink).write(chunk, this),
      () => {
        /** @type {Settle} */ (stream.inFlightWrite).resolve(undefined);
        stream.inFlightWrite = undefined;
        this.#queue.dequeue();
        if (!closeOrCloseInFlight(stream) && stream.state === WRITABLE) updateBackpressure(stream, this.desiredSize <= 0);
        this.#advance();
      },
      (reason) => {
        /** @type {Settle} */ (stream.inFlightWrite).reject(reason);
        stream.inFlightWrite = undefined;
        dealWithRejection(stream, reason);
      },
    );
  }
}
