/**
 * IdentityTransformStream and FixedLengthStream (https://developers.cloudflare.com/workers/runtime-apis/streams/transformstream/):
 * byte pipes with a BYOB-readable end; a write is done when what it wrote has been taken.
 */
import {
  Number,
  TypeError,
  promiseReject,
  promiseResolve,
  typedArrayByteLength,
  typedArraySlice,
} from "./primordials.js";
import { TransformState, TransformStream } from "./transform_stream.js";
import { INTERNAL, defineInterface, isBufferSource, requireArguments, toEnforcedUnsignedLongLong, viewOf } from "./webidl.js";

/** @param {number | undefined} length how many bytes must pass in all */
function byteState(length) {
  let passed = 0;
  const state = new TransformState(
    {
      start: undefined,
      check(chunk) {
        if (!isBufferSource(chunk)) {
          throw new TypeError(
            "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView " +
              "type on its writable side.",
          );
        }
        passed += typedArrayByteLength(viewOf(chunk, "The chunk"));
        if (length !== undefined && passed > length) throw new TypeError("Attempt to write too many bytes through a FixedLengthStream.");
      },
      transform(chunk, controller) {
        const bytes = viewOf(chunk, "The chunk");
        if (typedArrayByteLength(bytes) > 0) controller.enqueue(typedArraySlice(bytes));
        return promiseResolve(undefined);
      },
      flush() {
        if (length === undefined || passed === length) return promiseResolve(undefined);
        return promiseReject(new TypeError("FixedLengthStream did not see all expected bytes before close()."));
      },
      cancel: () => promiseResolve(undefined),
    },
    { bytes: true },
  );
  state.readable.fixedLength = length;
  return state;
}

export class IdentityTransformStream extends TransformStream {
  /** @param {any} [options] */
  constructor(options = undefined) {
    super(INTERNAL, options instanceof TransformState ? options : byteState(undefined));
  }
}
defineInterface(IdentityTransformStream);

export class FixedLengthStream extends IdentityTransformStream {
  /** @param {number | bigint} expectedLength @param {any} [options] */
  constructor(expectedLength, options = undefined) {
    requireArguments(arguments.length, 1, "FixedLengthStream constructor");
    void options;
    const given = typeof expectedLength === "bigint" ? Number(expectedLength) : expectedLength;
    const length = toEnforcedUnsignedLongLong(given, "FixedLengthStream constructor: the length");
    super(byteState(length));
  }
}
defineInterface(FixedLengthStream);
