/** The controller of default streams (https://streams.spec.whatwg.org/#rs-default-controller-class). */
import { TypeError, apply, promiseReject, promiseResolve, resolvedWith, promiseThen } from "./primordials.js";
import { SizedQueue } from "./queue.js";
import { READABLE, closeStream, errorStream, fulfillRead, waitingReads } from "./readable_core.js";
import { INTERNAL, defineInterface, illegalConstructor } from "./webidl.js";

/**
 * @typedef {import("./readable_core.js").ReadableState} ReadableState
 * @typedef {import("./readable_core.js").ReadRequest} ReadRequest
 */

/**
 * What fills a stream. Promises are native ones.
 * @typedef {object} Source
 * @property {((controller: any) => any) | undefined} start what it gives is resolved
 * @property {(controller: any) => Promise<any>} pull
 * @property {(reason: any) => Promise<any>} cancel
 */

/** The slots of a ReadableStreamDefaultController. */
export class DefaultController {
  bytes = false;
  /** @type {ReadableState} */
  stream;
  queue = new SizedQueue();
  started = false;
  closeRequested = false;
  pulling = false;
  pullAgain = false;
  /** @type {((chunk: any) => number) | undefined} */
  #size;
  /** @type {number} */
  #highWaterMark;
  /** @type {Source | undefined} */
  #source;
  /** @type {ReadableStreamDefaultController | undefined} */
  #facade;

  /**
   * @param {ReadableState} stream
   * @param {Source} source
   * @param {number} highWaterMark
   * @param {((chunk: any) => number) | undefined} size
   */
  constructor(stream, source, highWaterMark, size) {
    this.stream = stream;
    stream.controller = this;
    this.#source = source;
    this.#highWaterMark = highWaterMark;
    this.#size = size;
    const started = source.start === undefined ? undefined : source.start(this);
    promiseThen(
      resolvedWith(started),
      () => {
        this.started = true;
        this.pullIfNeeded();
      },
      (reason) => this.error(reason),
    );
  }

  /** What scripts see of it. */
  get facade() {
    return (this.#facade ??= new ReadableStreamDefaultController(INTERNAL, this));
  }

  /** @param {any} reason */
  cancelSteps(reason) {
    this.queue.reset();
    const source = /** @type {Source} */ (this.#source);
    this.#forget();
    return source.cancel(reason);
  }

  /** @param {ReadRequest} request */
  pullSteps(request) {
    const { stream, queue } = this;
    if (queue.length > 0) {
      const chunk = queue.dequeue();
      if (this.closeRequested && queue.length === 0) {
        this.#forget();
        closeStream(stream);
      } else {
        this.pullIfNeeded();
      }
      request.chunk(chunk);
    } else {
      /** @type {any} */ (stream.reader).requests.push(request);
      this.pullIfNeeded();
    }
  }

  releaseSteps() {}

  #forget() {
    this.#source = undefined;
    this.#size = undefined;
  }

  pullIfNeeded() {
    if (!this.#shouldPull()) return;
    if (this.pulling) {
      this.pullAgain = true;
      return;
    }
    this.pulling = true;
    promiseThen(
      /** @type {Source} */ (this.#source).pull(this),
      () => {
        this.pulling = false;
        if (this.pullAgain) {
          this.pullAgain = false;
          this.pullIfNeeded();
        }
      },
      (reason) => this.error(reason),
    );
  }

  #shouldPull() {
    if (!this.canCloseOrEnqueue || !this.started) return false;
    if (waitingReads(this.stream, false) > 0) return true;
    return /** @type {number} */ (this.desiredSize) > 0;
  }

  get canCloseOrEnqueue() {
    return !this.closeRequested && this.stream.state === READABLE;
  }

  /** @returns {number | null} */
  get desiredSize() {
    const { state } = this.stream;
    if (state === READABLE) return this.#highWaterMark - this.queue.total;
    return state === 1 ? 0 : null;
  }

  get hasBackpressure() {
    return !this.#shouldPull();
  }

  close() {
    if (!this.canCloseOrEnqueue) return;
    this.closeRequested = true;
    if (this.queue.length === 0) {
      this.#forget();
      closeStream(this.stream);
    }
  }

  /** @param {any} chunk */
  enqueue(chunk) {
    if (!this.canCloseOrEnqueue) return;
    if (waitingReads(this.stream, false) > 0) {
      fulfillRead(this.stream, chunk, false);
    } else {
      try {
        const size = this.#size;
        const weight = size === undefined ? 1 : size(chunk);
        this.queue.enqueue(chunk, weight);
      } catch (error) {
        this.error(error);
        throw error;
      }
    }
    this.pullIfNeeded();
  }

  /** @param {any} reason */
  error(reason) {
    if (this.stream.state !== READABLE) return;
    this.queue.reset();
    this.#forget();
    errorStream(this.stream, reason);
  }
}

export class ReadableStreamDefaultController {
  /** @type {DefaultController} */
  #state;

  /** @param {any} key @param {any} state */
  constructor(key = undefined, state = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#state = state;
  }

  get desiredSize() {
    return this.#state.desiredSize;
  }

  close() {
    if (!this.#state.canCloseOrEnqueue) throw new TypeError("The stream is not in a state that permits close.");
    this.#state.close();
  }

  /** @param {any} [chunk] */
  enqueue(chunk = undefined) {
    if (!this.#state.canCloseOrEnqueue) throw new TypeError("The stream is not in a state that permits enqueue.");
    this.#state.enqueue(chunk);
  }

  /** @param {any} [reason] */
  error(reason = undefined) {
    this.#state.error(reason);
  }
}
defineInterface(ReadableStreamDefaultController);

/**
 * The source that a script gives (https://streams.spec.whatwg.org/#dictdef-underlyingsource), already taken apart.
 * @param {any} underlying
 * @param {{start: any, pull: any, cancel: any}} methods
 * @returns {Source}
 */
export function sourceOfScript(underlying, { start, pull, cancel }) {
  return {
    start: start === undefined ? undefined : (controller) => apply(start, underlying, [controller.facade]),
    pull:
      pull === undefined
        ? alreadyDone
        : (controller) => {
            try {
              return promiseResolve(apply(pull, underlying, [controller.facade]));
            } catch (error) {
              return promiseReject(error);
            }
          },
    cancel:
      cancel === undefined
        ? alreadyDone
        : (reason) => {
            try {
              return promiseResolve(apply(cancel, underlying, [reason]));
            } catch (error) {
              return promiseReject(error);
            }
          },
  };
}

export const alreadyDone = () => promiseResolve(undefined);
