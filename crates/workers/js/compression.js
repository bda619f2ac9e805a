/** CompressionStream and DecompressionStream (https://compression.spec.whatwg.org/). */
import host from "./host_object.js";
import { TypeError, promiseReject, promiseResolve, promiseThen } from "./primordials.js";
import { newReadableStream } from "./readable_stream.js";
import { TransformState } from "./transform_stream.js";
import { defineInterface, isBufferSource, requireArguments, toEnum, viewOf } from "./webidl.js";
import { newWritableStream } from "./writable_stream.js";

const COMPRESSION_FORMATS = ["deflate", "deflate-raw", "gzip"];

/** @param {string} format @param {boolean} decompress */
function codingState(format, decompress) {
  const id = /** @type {number} */ (host.compressorCreate(format, decompress));
  /** Hands on what comes out, a piece each time that the reader wants one. @param {TransformState} controller @returns {Promise<any>} */
  const takeAll = (controller) => {
    try {
      for (;;) {
        const piece = host.compressorTake(id);
        if (piece === undefined) return promiseResolve(undefined);
        controller.enqueue(piece);
        const wanted = controller.wanted;
        if (wanted !== undefined) return promiseThen(wanted, () => takeAll(controller));
      }
    } catch (error) {
      return promiseReject(error);
    }
  };
  return new TransformState({
    start: undefined,
    check: undefined,
    transform(chunk, controller) {
      try {
        if (!isBufferSource(chunk)) throw new TypeError("A chunk of a compression stream is neither an ArrayBuffer nor a view of one.");
        host.compressorGive(id, viewOf(chunk, "The chunk"));
      } catch (error) {
        host.compressorDrop(id);
        return promiseReject(error);
      }
      return takeAll(controller);
    },
    flush(controller) {
      host.compressorGive(id, undefined);
      return takeAll(controller);
    },
    cancel() {
      host.compressorDrop(id);
      return promiseResolve(undefined);
    },
  });
}

export class CompressionStream {
  #readable;
  #writable;

  /** @param {any} format */
  constructor(format) {
    requireArguments(arguments.length, 1, "CompressionStream constructor");
    const state = codingState(toEnum(format, COMPRESSION_FORMATS, "CompressionStream constructor: the format"), false);
    this.#readable = newReadableStream(state.readable);
    this.#writable = newWritableStream(state.writable);
  }

  get readable() {
    return this.#readable;
  }

  get writable() {
    return this.#writable;
  }
}
defineInterface(CompressionStream);

export class DecompressionStream {
  #readable;
  #writable;

  /** @param {any} format */
  constructor(format) {
    requireArguments(arguments.length, 1, "DecompressionStream constructor");
    const state = codingState(toEnum(format, COMPRESSION_FORMATS, "DecompressionStream constructor: the format"), true);
    this.#readable = newReadableStream(state.readable);
    this.#writable = newWritableStream(state.writable);
  }

  get readable() {
    return this.#readable;
  }

  get writable() {
    return this.#writable;
  }
}
defineInterface(DecompressionStream);
