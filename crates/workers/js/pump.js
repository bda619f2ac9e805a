/** Writes a stream to a sink of the host, with back-pressure both ways. */
import host from "./host_object.js";
import { checkOwner, current, onComplete } from "./invocation.js";
import { String, TypeError, isUint8Array, markHandled } from "./primordials.js";
import { acquireReader, cancelStream, readFrom } from "./readable_core.js";
import { isBufferSource, viewOf } from "./webidl.js";

/**
 * @param {import("./readable_core.js").ReadableState} state a stream that nobody reads
 * @param {SinkId} sink
 * @param {(failure: {reason: any} | undefined) => void} ended called once, when all was written or something failed
 * @returns {(reason: any) => void} stops it: the sink's reader is gone
 */
export function pump(state, sink, ended) {
  const owner = current;
  const reader = acquireReader(state, false);
  let over = false;
  const next = () => {
    if (!over) readFrom(reader, request);
  };
  const request = {
    chunk(/** @type {any} */ chunk) {
      if (over) return;
      let operation;
      try {
        checkOwner(owner);
        operation = host.sinkWrite(sink, toBytes(chunk));
      } catch (error) {
        fail(error);
        return;
      }
      onComplete(operation, next, fail);
    },
    close() {
      if (over) return;
      over = true;
      host.sinkClose(sink);
      ended(undefined);
    },
    error(/** @type {any} */ reason) {
      if (over) return;
      over = true;
      host.sinkAbort(sink, describe(reason));
      ended({ reason });
    },
  };
  next();
  return fail;

  /** The chunk is no bytes, or the reader of the sink is gone. @param {any} reason */
  function fail(reason) {
    if (over) return;
    over = true;
    markHandled(cancelStream(state, reason));
    host.sinkAbort(sink, describe(reason));
    ended({ reason });
  }
}

/** @param {any} chunk @returns {Uint8Array} */
function toBytes(chunk) {
  if (isUint8Array(chunk)) return chunk;
  if (isBufferSource(chunk)) return viewOf(chunk, "A chunk of the body");
  throw new TypeError("This TransformStream or ReadableStream is being used as a byte stream, but a chunk of it is not bytes.");
}

/** @param {any} reason */
export function describe(reason) {
  try {
    return String(reason);
  } catch {
    return "an error that cannot be turned into text";
  }
}
