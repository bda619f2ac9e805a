/** What controls a byte stream (https://streams.spec.whatwg.org/#rbs-controller-abstract-ops). */
import {
  ArrayBuffer,
  DataView,
  RangeError,
  TypeError,
  Uint8Array,
  arrayBufferByteLength,
  arrayBufferDetached,
  arrayBufferSlice,
  arrayBufferTransfer,
  dataViewByteOffset,
  min,
  promiseThen,
  typedArrayByteOffset,
  typedArrayConstructors,
  typedArrayName,
  typedArraySet,
  resolvedWith,
} from "./primordials.js";
import { Queue } from "./queue.js";
import { CLOSED, ERRORED, READABLE, closeStream, errorStream, fulfillRead, waitingReads } from "./readable_core.js";
import { ReadableByteStreamController, ReadableStreamBYOBRequest, byteLengthOf, invalidate } from "./readable_byte_controller.js";
import { INTERNAL, bufferOfView } from "./webidl.js";

/**
 * @typedef {import("./readable_core.js").ReadableState} ReadableState
 * @typedef {import("./readable_core.js").ReadRequest} ReadRequest
 * @typedef {import("./readable_default.js").Source} Source
 *
 * @typedef {object} Chunk bytes in the queue
 * @property {ArrayBuffer} buffer
 * @property {number} byteOffset
 * @property {number} byteLength
 *
 * @typedef {object} PullInto a buffer that waits to be filled
 * @property {ArrayBuffer} buffer
 * @property {number} bufferByteLength
 * @property {number} byteOffset
 * @property {number} byteLength
 * @property {number} filled
 * @property {number} minimumFill
 * @property {number} elementSize
 * @property {any} viewConstructor
 * @property {"default" | "byob" | "none"} reader
 */

/** @param {any} view */
const byteOffsetOf = (view) => (typedArrayName(view) === undefined ? dataViewByteOffset(view) : typedArrayByteOffset(view));

/** TransferArrayBuffer. @param {ArrayBuffer} buffer */
function transfer(buffer) {
  return arrayBufferTransfer(buffer);
}

/** The slots of a ReadableByteStreamController. */
export class ByteController {
  bytes = true;
  /** @type {ReadableState} */
  stream;
  /** @type {Queue<Chunk>} */
  #queue = new Queue();
  #queueTotal = 0;
  #started = false;
  closeRequested = false;
  #pulling = false;
  #pullAgain = false;
  /** @type {number} */
  #highWaterMark;
  /** @type {number | undefined} */
  #autoAllocate;
  /** @type {Queue<PullInto>} */
  #pullIntos = new Queue();
  /** @type {ReadableStreamBYOBRequest | null} */
  #byobRequest = null;
  /** @type {Source | undefined} */
  #source;
  /** @type {ReadableByteStreamController | undefined} */
  #facade;

  /**
   * @param {ReadableState} stream
   * @param {Source} source
   * @param {number} highWaterMark
   * @param {number | undefined} autoAllocate how large a buffer to make for a default reader
   */
  constructor(stream, source, highWaterMark, autoAllocate) {
    this.stream = stream;
    stream.controller = this;
    this.#source = source;
    this.#highWaterMark = highWaterMark;
    this.#autoAllocate = autoAllocate;
    const started = source.start === undefined ? undefined : source.start(this);
    promiseThen(
      resolvedWith(started),
      () => {
        this.#started = true;
        this.#pullIfNeeded();
      },
      (reason) => this.error(reason),
    );
  }

  /** What scripts see of it. */
  get facade() {
    return (this.#facade ??= new ReadableByteStreamController(INTERNAL, this));
  }

  // === what the stream asks ===

  /** @param {any} reason */
  cancelSteps(reason) {
    this.#pullIntos.clear();
    this.#invalidateRequest();
    this.#resetQueue();
    const source = /** @type {Source} */ (this.#source);
    this.#source = undefined;
    return source.cancel(reason);
  }

  /** @param {ReadRequest} request */
  pullSteps(request) {
    if (this.#queueTotal > 0) {
      request.chunk(this.#takeChunk());
      return;
    }
    const size = this.#autoAllocate;
    if (size !== undefined) {
      let buffer;
      try {
        buffer = new ArrayBuffer(size);
      } catch (error) {
        request.error(error);
        return;
      }
      this.#pullIntos.push({
        buffer,
        bufferByteLength: size,
        byteOffset: 0,
        byteLength: size,
        filled: 0,
        minimumFill: 1,
        elementSize: 1,
        viewConstructor: Uint8Array,
        reader: "default",
      });
    }
    /** @type {any} */ (this.stream.reader).requests.push(request);
    this.#pullIfNeeded();
  }

  releaseSteps() {
    if (this.#pullIntos.length === 0) return;
    const first = this.#pullIntos.peek();
    first.reader = "none";
    this.#pullIntos.clear();
    this.#pullIntos.push(first);
  }

  /** A read into `view`, of at least `minimum` elements. @param {any} view @param {number} minimum @param {ReadRequest} request */
  pullInto(view, minimum, request) {
    const { stream } = this;
    const name = typedArrayName(view);
    const viewConstructor = name === undefined ? DataView : typedArrayConstructors[name];
    const elementSize = name === undefined ? 1 : viewConstructor.BYTES_PER_ELEMENT;
    const byteOffset = byteOffsetOf(view);
    const byteLength = byteLengthOf(view);
    let buffer;
    try {
      buffer = transfer(bufferOfView(view));
    } catch (error) {
      request.error(error);
      return;
    }
    /** @type {PullInto} */
    const pullInto = {
      buffer,
      bufferByteLength: arrayBufferByteLength(buffer),
      byteOffset,
      byteLength,
      filled: 0,
      minimumFill: minimum * elementSize,
      elementSize,
      viewConstructor,
      reader: "byob",
    };
    const { requests } = /** @type {any} */ (stream.reader);
    if (this.#pullIntos.length > 0) {
      this.#pullIntos.push(pullInto);
      requests.push(request);
      return;
    }
    if (stream.state === CLOSED) {
      request.close(new viewConstructor(buffer, byteOffset, 0));
      return;
    }
    if (this.#queueTotal > 0) {
      if (this.#fillFromQueue(pullInto)) {
        const filled = this.#viewOf(pullInto);
        this.#drained();
        request.chunk(filled);
        return;
      }
      if (this.closeRequested) {
        const error = new TypeError("The stream was closed with less than one element of the view that is read into.");
        this.error(error);
        request.error(error);
        return;
      }
    }
    this.#pullIntos.push(pullInto);
    requests.push(request);
    this.#pullIfNeeded();
  }

  // === what the source does ===

  get canCloseOrEnqueue() {
    return !this.closeRequested && this.stream.state === READABLE;
  }

  /** @returns {number | null} */
  get desiredSize() {
    const { state } = this.stream;
    if (state === ERRORED) return null;
    return state === CLOSED ? 0 : this.#highWaterMark - this.#queueTotal;
  }

  get byobRequest() {
    if (this.#byobRequest === null && this.#pullIntos.length > 0) {
      const first = this.#pullIntos.peek();
      const view = new Uint8Array(first.buffer, first.byteOffset + first.filled, first.byteLength - first.filled);
      this.#byobRequest = new ReadableStreamBYOBRequest(INTERNAL, this, view);
    }
    return this.#byobRequest;
  }

  close() {
    const { stream } = this;
    if (this.closeRequested || stream.state !== READABLE) return;
    if (this.#queueTotal > 0) {
      this.closeRequested = true;
      return;
    }
    if (this.#pullIntos.length > 0) {
      const first = this.#pullIntos.peek();
      if (first.filled % first.elementSize !== 0) {
        const error = new TypeError("The stream was closed with less than one element of the view that is read into.");
        this.error(error);
        throw error;
      }
    }
    this.#source = undefined;
    closeStream(stream);
  }

  /** @param {any} view */
  enqueue(view) {
    const { stream } = this;
    if (!this.canCloseOrEnqueue) return;
    const given = bufferOfView(view);
    const byteOffset = byteOffsetOf(view);
    const byteLength = byteLengthOf(view);
    if (arrayBufferDetached(given)) throw new TypeError("The chunk's buffer is detached.");
    const buffer = transfer(given);
    if (this.#pullIntos.length > 0) {
      const first = this.#pullIntos.peek();
      if (arrayBufferDetached(first.buffer)) {
        throw new TypeError("The buffer of the BYOB request is detached: it cannot be filled by an enqueued chunk.");
      }
      this.#invalidateRequest();
      first.buffer = transfer(first.buffer);
      if (first.reader === "none") this.#enqueueDetached(first);
    }
    if (stream.reader !== undefined && !stream.reader.byob) {
      this.#serveDefaultReads();
      if (waitingReads(stream, false) === 0) {
        this.#push(buffer, byteOffset, byteLength);
      } else {
        if (this.#pullIntos.length > 0) this.#pullIntos.shift();
        fulfillRead(stream, new Uint8Array(buffer, byteOffset, byteLength), false);
      }
    } else if (stream.reader !== undefined) {
      this.#push(buffer, byteOffset, byteLength);
      const filled = this.#fillPullIntos();
      for (let i = 0; i < filled.length; i++) this.#commit(/** @type {PullInto} */ (filled[i]));
    } else {
      this.#push(buffer, byteOffset, byteLength);
    }
    this.#pullIfNeeded();
  }

  /** @param {any} reason */
  error(reason) {
    if (this.stream.state !== READABLE) return;
    this.#pullIntos.clear();
    this.#invalidateRequest();
    this.#resetQueue();
    this.#source = undefined;
    errorStream(this.stream, reason);
  }

  /** @param {number} bytes */
  respond(bytes) {
    const first = this.#pullIntos.peek();
    if (this.stream.state === CLOSED) {
      if (bytes !== 0) throw new TypeError("bytesWritten must be 0 when the stream is closed.");
    } else {
      if (bytes === 0) throw new TypeError("bytesWritten must be greater than 0 while the stream is readable.");
      if (first.filled + bytes > first.byteLength) throw new RangeError("bytesWritten is out of range.");
    }
    first.buffer = transfer(first.buffer);
    this.#respond(bytes);
  }

  /** @param {any} view */
  respondWithNewView(view) {
    const first = this.#pullIntos.peek();
    const length = byteLengthOf(view);
    if (this.stream.state === CLOSED) {
      if (length !== 0) throw new TypeError("The view's length must be 0 when the stream is closed.");
    } else if (length === 0) {
      throw new TypeError("The view's length must be greater than 0 while the stream is readable.");
    }
    if (first.byteOffset + first.filled !== byteOffsetOf(view)) throw new RangeError("The view's offset is not the expected one.");
    const buffer = bufferOfView(view);
    if (first.bufferByteLength !== arrayBufferByteLength(buffer)) throw new RangeError("The view's buffer has another length.");
    if (first.filled + length > first.byteLength) throw new RangeError("The view is longer than what was asked for.");
    first.buffer = transfer(buffer);
    this.#respond(length);
  }

  // === inside ===

  #resetQueue() {
    this.#queue.clear();
    this.#queueTotal = 0;
  }

  #invalidateRequest() {
    if (this.#byobRequest === null) return;
    invalidate(this.#byobRequest);
    this.#byobRequest = null;
  }

  #pullIfNeeded() {
    if (!this.#shouldPull()) return;
    if (this.#pulling) {
      this.#pullAgain = true;
      return;
    }
    this.#pulling = true;
    promiseThen(
      /** @type {Source} */ (this.#source).pull(this),
      () => {
        this.#pulling = false;
        if (this.#pullAgain) {
          this.#pullAgain = false;
          this.#pullIfNeeded();
        }
      },
      (reason) => this.error(reason),
    );
  }

  #shouldPull() {
    if (this.stream.state !== READABLE || this.closeRequested || !this.#started) return false;
    if (this.stream.reader !== undefined && this.stream.reader.requests.length > 0) return true;
    return /** @type {number} */ (this.desiredSize) > 0;
  }

  /** HandleQueueDrain. */
  #drained() {
    if (this.#queueTotal === 0 && this.closeRequested) {
      this.#source = undefined;
      closeStream(this.stream);
    } else {
      this.#pullIfNeeded();
    }
  }

  #takeChunk() {
    const { buffer, byteOffset, byteLength } = this.#queue.shift();
    this.#queueTotal -= byteLength;
    this.#drained();
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** @param {ArrayBuffer} buffer @param {number} byteOffset @param {number} byteLength */
  #push(buffer, byteOffset, byteLength) {
    this.#queue.push({ buffer, byteOffset, byteLength });
    this.#queueTotal += byteLength;
  }

  /** @param {ArrayBuffer} buffer @param {number} byteOffset @param {number} byteLength */
  #pushClone(buffer, byteOffset, byteLength) {
    let clone;
    try {
      clone = arrayBufferSlice(buffer, byteOffset, byteOffset + byteLength);
    } catch (error) {
      this.error(error);
      throw error;
    }
    this.#push(clone, 0, byteLength);
  }

  /** EnqueueDetachedPullIntoToQueue. @param {PullInto} pullInto */
  #enqueueDetached(pullInto) {
    if (pullInto.filled > 0) this.#pushClone(pullInto.buffer, pullInto.byteOffset, pullInto.filled);
    this.#pullIntos.shift();
  }

  #serveDefaultReads() {
    const { requests } = /** @type {any} */ (this.stream.reader);
    while (requests.length > 0) {
      if (this.#queueTotal === 0) return;
      requests.shift().chunk(this.#takeChunk());
    }
  }

  /** FillPullIntoDescriptorFromQueue: whether it is full enough. @param {PullInto} pullInto */
  #fillFromQueue(pullInto) {
    const most = min(this.#queueTotal, pullInto.byteLength - pullInto.filled);
    const filledAtMost = pullInto.filled + most;
    let left = most;
    let ready = false;
    const aligned = filledAtMost - (filledAtMost % pullInto.elementSize);
    if (aligned >= pullInto.minimumFill) {
      left = aligned - pullInto.filled;
      ready = true;
    }
    const queue = this.#queue;
    while (left > 0) {
      const head = queue.peek();
      const count = min(left, head.byteLength);
      const target = new Uint8Array(pullInto.buffer, pullInto.byteOffset + pullInto.filled, count);
      typedArraySet(target, new Uint8Array(head.buffer, head.byteOffset, count));
      if (head.byteLength === count) {
        queue.shift();
      } else {
        head.byteOffset += count;
        head.byteLength -= count;
      }
      this.#queueTotal -= count;
      pullInto.filled += count;
      left -= count;
    }
    return ready;
  }

  /** ConvertPullIntoDescriptor. @param {PullInto} pullInto */
  #viewOf(pullInto) {
    return new pullInto.viewConstructor(transfer(pullInto.buffer), pullInto.byteOffset, pullInto.filled / pullInto.elementSize);
  }

  /** @param {PullInto} pullInto */
  #commit(pullInto) {
    const done = this.stream.state === CLOSED;
    fulfillRead(this.stream, this.#viewOf(pullInto), done);
  }

  #fillPullIntos() {
    /** @type {PullInto[]} */
    const filled = [];
    while (this.#pullIntos.length > 0) {
      if (this.#queueTotal === 0) break;
      const first = this.#pullIntos.peek();
      if (!this.#fillFromQueue(first)) break;
      this.#pullIntos.shift();
      filled[filled.length] = first;
    }
    return filled;
  }

  /** RespondInternal. @param {number} bytes */
  #respond(bytes) {
    const first = this.#pullIntos.peek();
    this.#invalidateRequest();
    if (this.stream.state === CLOSED) {
      if (first.reader === "none") this.#pullIntos.shift();
      /** @type {PullInto[]} */
      const filled = [];
      const { reader } = this.stream;
      if (reader !== undefined && reader.byob) {
        while (filled.length < reader.requests.length) filled[filled.length] = this.#pullIntos.shift();
      }
      for (let i = 0; i < filled.length; i++) this.#commit(/** @type {PullInto} */ (filled[i]));
    } else {
      this.#respondReadable(first, bytes);
    }
    this.#pullIfNeeded();
  }

  /** @param {PullInto} first @param {number} bytes */
  #respondReadable(first, bytes) {
    first.filled += bytes;
    if (first.reader === "none") {
      this.#enqueueDetached(first);
      const filled = this.#fillPullIntos();
      for (let i = 0; i < filled.length; i++) this.#commit(/** @type {PullInto} */ (filled[i]));
      return;
    }
    if (first.filled < first.minimumFill) return;
    this.#pullIntos.shift();
    const rest = first.filled % first.elementSize;
    if (rest > 0) {
      const end = first.byteOffset + first.filled;
      this.#pushClone(first.buffer, end - rest, rest);
    }
    first.filled -= rest;
    const filled = this.#fillPullIntos();
    this.#commit(first);
    for (let i = 0; i < filled.length; i++) this.#commit(/** @type {PullInto} */ (filled[i]));
  }
}
