/**
 * Streams that are transferred (https://streams.spec.whatwg.org/#rs-transfer): another stream takes the place of each, with structured clones of
 * its chunks.
 */
import { DOMException } from "./dom_exception.js";
import { markHandled, promiseReject, promiseResolve } from "./primordials.js";
import { pipe } from "./readable_pipe.js";
import { isReadableStream, newReadableStream, stateOf } from "./readable_stream.js";
import { addTransferable, cloneWithTransfer } from "./structured_clone.js";
import { TransformState, TransformStream } from "./transform_stream.js";
import { INTERNAL } from "./webidl.js";
import { isWritableStream, newWritableStream, writableStateOf } from "./writable_stream.js";

/** A pipe that gives clones of what comes in. */
function cloningPipe() {
  return new TransformState({
    start: undefined,
    check: undefined,
    transform(chunk, controller) {
      try {
        controller.enqueue(cloneWithTransfer(chunk, undefined).value);
        return promiseResolve(undefined);
      } catch (error) {
        return promiseReject(error);
      }
    },
    flush: () => promiseResolve(undefined),
    cancel: () => promiseResolve(undefined),
  });
}

const WHOLE = { preventClose: false, preventAbort: false, preventCancel: false, signal: undefined };

/** @param {import("./readable_core.js").ReadableState} state */
function movedReadable(state) {
  const through = cloningPipe();
  markHandled(pipe(state, through.writable, WHOLE));
  return through.readable;
}

/** @param {import("./writable_core.js").WritableState} state */
function movedWritable(state) {
  const through = cloningPipe();
  markHandled(pipe(through.readable, state, WHOLE));
  return through.writable;
}

/** @param {any} stream */
const isLockedReadable = (stream) => stateOf(stream).reader !== undefined;
/** @param {any} stream */
const isLockedWritable = (stream) => writableStateOf(stream).writer !== undefined;

addTransferable({
  isOne: isReadableStream,
  isGone: isLockedReadable,
  transfer: (stream) => newReadableStream(movedReadable(stateOf(stream))),
});
addTransferable({
  isOne: isWritableStream,
  isGone: isLockedWritable,
  transfer: (stream) => newWritableStream(movedWritable(writableStateOf(stream))),
});
addTransferable({
  isOne: (value) => value instanceof TransformStream,
  isGone: ({ readable, writable }) => isLockedReadable(readable) || isLockedWritable(writable),
  transfer({ readable, writable }) {
    if (!isReadableStream(readable) || !isWritableStream(writable)) {
      throw new DOMException("structuredClone: the TransformStream is not a real one.", "DataCloneError");
    }
    return new TransformStream(INTERNAL, { readable: movedReadable(stateOf(readable)), writable: movedWritable(writableStateOf(writable)) });
  },
});
