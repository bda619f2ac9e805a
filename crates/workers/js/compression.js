/** CompressionStream and DecompressionStream (https://compression.spec.whatwg.org/). */
import host from "./host_object.js";
import { TypeError, promiseReject, promiseResolve, promiseThen } from "./primordials.js";
import { TransformState, TransformStream } from "./transform_stream.js";
import { INTERNAL, defineInterface, isBufferSource, requireArguments, toEnum, viewOf } from "./webidl.js";

const COMPRESSION_FORMATS = ["deflate", "deflate-raw", "gzip"];

/** @param {string} format @param {boolean} decompress */
function codingState(format, decompress) {
  const id = /** @type {number} */ (host.compressorCreate(format, decompress));
  /**
   * Hands on what comes out, a piece each time that the reader wants one. What needs nothing more is done without waiting for the reader.
   * @param {TransformState} controller
   * @param {Uint8Array | undefined} piece the next one
   * @returns {Promise<any>}
   */
  const takeAll = (controller, piece) => {
    try {
      while (piece !== undefined) {
        controller.enqueue(piece);
        const next = host.compressorTake(id);
        const wanted = next === undefined ? undefined : controller.wanted;
        if (wanted !== undefined) return promiseThen(wanted, () => takeAll(controller, next));
        piece = next;
      }
      return promiseResolve(undefined);
    } catch (error) {
      return promiseReject(error);
    }
  };
  /** @param {TransformState} controller @returns {Promise<any>} */
  const begin = (controller) => {
    try {
      return takeAll(controller, host.compressorTake(id));
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
      return begin(controller);
    },
    flush(controller) {
      host.compressorGive(id, undefined);
      return begin(controller);
    },
    cancel() {
      host.compressorDrop(id);
      return promiseResolve(undefined);
    },
  });
}

// As on Cloudflare, both are transform streams.

export class CompressionStream extends TransformStream {
  /** @param {any} format */
  constructor(format) {
    requireArguments(arguments.length, 1, "CompressionStream constructor");
    super(INTERNAL, codingState(toEnum(format, COMPRESSION_FORMATS, "CompressionStream constructor: the format"), false));
  }
}
defineInterface(CompressionStream);

export class DecompressionStream extends TransformStream {
  /** @param {any} format */
  constructor(format) {
    requireArguments(arguments.length, 1, "DecompressionStream constructor");
    super(INTERNAL, codingState(toEnum(format, COMPRESSION_FORMATS, "DecompressionStream constructor: the format"), true));
  }
}
defineInterface(DecompressionStream);
