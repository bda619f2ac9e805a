/** ReadableStreamTee (https://streams.spec.whatwg.org/#abstract-opdef-readablestreamtee). */
import host from "./host_object.js";
import {
  Uint8Array,
  markHandled,
  newPromise,
  promiseResolve,
  promiseThen,
  typedArrayBuffer,
  typedArrayByteLength,
  typedArrayByteOffset,
  typedArraySlice,
} from "./primordials.js";
import { ByteController } from "./readable_byte.js";
import { ReadableState, acquireReader, cancelStream, readFrom, releaseReader } from "./readable_core.js";
import { DefaultController } from "./readable_default.js";

/** @typedef {import("./readable_core.js").ReaderState} ReaderState */

/**
 * @param {ReadableState} stream
 * @param {boolean} [clone] whether the second branch gets clones of the chunks
 * @returns {{first: ReadableState, second: ReadableState}}
 */
export function tee(stream, clone = false) {
  return stream.controller.bytes ? teeBytes(stream) : teeDefault(stream, clone);
}

/** What both branches canceled means: the stream is canceled with both reasons. @param {ReadableState} stream */
function cancellation(stream) {
  const settled = newPromise();
  const canceled = { first: false, second: false };
  const reasons = { first: /** @type {any} */ (undefined), second: /** @type {any} */ (undefined) };
  return {
    canceled,
    promise: settled.promise,
    resolve: settled.resolve,
    /** @param {"first" | "second"} branch @param {any} reason */
    cancel(branch, reason) {
      canceled[branch] = true;
      reasons[branch] = reason;
      if (canceled.first && canceled.second) settled.resolve(cancelStream(stream, [reasons.first, reasons.second]));
      return settled.promise;
    },
  };
}

/** @param {ReadableState} stream @param {boolean} clone */
function teeDefault(stream, clone) {
  const reader = acquireReader(stream, false);
  let reading = false;
  let readAgain = false;
  const both = cancellation(stream);
  const { canceled } = both;
  const first = new ReadableState();
  const second = new ReadableState();

  const pull = () => {
    if (reading) {
      readAgain = true;
      return promiseResolve(undefined);
    }
    reading = true;
    readFrom(reader, {
      chunk(chunk) {
        // A microtask later: a branch that is read in the same turn must see an error first.
        promiseThen(promiseResolve(undefined), () => {
          readAgain = false;
          let other = chunk;
          if (clone && !canceled.second) {
            try {
              other = host.structuredClone(chunk, undefined);
            } catch (error) {
              first.controller.error(error);
              second.controller.error(error);
              both.resolve(cancelStream(stream, error));
              return;
            }
          }
          if (!canceled.first) first.controller.enqueue(chunk);
          if (!canceled.second) second.controller.enqueue(other);
          reading = false;
          if (readAgain) pull();
        });
      },
      close() {
        reading = false;
        if (!canceled.first) first.controller.close();
        if (!canceled.second) second.controller.close();
        if (!canceled.first || !canceled.second) both.resolve(undefined);
      },
      error() {
        reading = false;
      },
    });
    return promiseResolve(undefined);
  };

  new DefaultController(first, { start: undefined, pull, cancel: (reason) => both.cancel("first", reason) }, 1, undefined);
  new DefaultController(second, { start: undefined, pull, cancel: (reason) => both.cancel("second", reason) }, 1, undefined);
  markHandled(
    promiseThen(reader.closed, undefined, (reason) => {
      first.controller.error(reason);
      second.controller.error(reason);
      if (!canceled.first || !canceled.second) both.resolve(undefined);
    }),
  );
  return { first, second };
}

/** @param {any} view a Uint8Array, or the view of a BYOB read */
function copyOf(view) {
  const bytes = new Uint8Array(typedArrayBuffer(view), typedArrayByteOffset(view), typedArrayByteLength(view));
  return typedArraySlice(bytes);
}

/** @param {ReadableState} stream */
function teeBytes(stream) {
  let reader = acquireReader(stream, false);
  let reading = false;
  const again = { first: false, second: false };
  const both = cancellation(stream);
  const { canceled } = both;
  const branches = { first: new ReadableState(), second: new ReadableState() };
  const { first, second } = branches;

  /** @param {ReaderState} its */
  const forwardError = (its) => {
    markHandled(
      promiseThen(its.closed, undefined, (reason) => {
        if (its !== reader) return;
        first.controller.error(reason);
        second.controller.error(reason);
        if (!canceled.first || !canceled.second) both.resolve(undefined);
      }),
    );
  };

  /** A copy that failed breaks both branches and the stream. @param {any} error */
  const fail = (error) => {
    first.controller.error(error);
    second.controller.error(error);
    both.resolve(cancelStream(stream, error));
  };

  /** @param {boolean} byob */
  const switchTo = (byob) => {
    if (reader.byob === byob) return;
    releaseReader(reader);
    reader = acquireReader(stream, byob);
    forwardError(reader);
  };

  const next = () => {
    reading = false;
    if (again.first) pull("first");
    else if (again.second) pull("second");
  };

  const pullWithDefaultReader = () => {
    switchTo(false);
    readFrom(reader, {
      chunk(chunk) {
        promiseThen(promiseResolve(undefined), () => {
          again.first = again.second = false;
          let other = chunk;
          if (!canceled.first && !canceled.second) {
            try {
              other = copyOf(chunk);
            } catch (error) {
              fail(error);
              return;
            }
          }
          if (!canceled.first) first.controller.enqueue(chunk);
          if (!canceled.second) second.controller.enqueue(other);
          next();
        });
      },
      close() {
        reading = false;
        if (!canceled.first) first.controller.close();
        if (!canceled.second) second.controller.close();
        if (first.controller.byobRequest !== null) first.controller.respond(0);
        if (second.controller.byobRequest !== null) second.controller.respond(0);
        if (!canceled.first || !canceled.second) both.resolve(undefined);
      },
      error() {
        reading = false;
      },
    });
  };

  /** @param {any} view @param {"first" | "second"} branch */
  const pullWithByobReader = (view, branch) => {
    switchTo(true);
    const other = branch === "first" ? "second" : "first";
    stream.disturbed = true;
    stream.controller.pullInto(view, 1, {
      chunk(/** @type {any} */ chunk) {
        promiseThen(promiseResolve(undefined), () => {
          again.first = again.second = false;
          if (!canceled[other]) {
            let copy;
            try {
              copy = copyOf(chunk);
            } catch (error) {
              fail(error);
              return;
            }
            if (!canceled[branch]) branches[branch].controller.respondWithNewView(chunk);
            branches[other].controller.enqueue(copy);
          } else if (!canceled[branch]) {
            branches[branch].controller.respondWithNewView(chunk);
          }
          next();
        });
      },
      close(/** @type {any} */ chunk) {
        reading = false;
        if (!canceled[branch]) branches[branch].controller.close();
        if (!canceled[other]) branches[other].controller.close();
        if (chunk !== undefined) {
          if (!canceled[branch]) branches[branch].controller.respondWithNewView(chunk);
          const waiting = branches[other].controller;
          if (!canceled[other] && waiting.byobRequest !== null) waiting.respond(0);
        }
        if (!canceled.first || !canceled.second) both.resolve(undefined);
      },
      error() {
        reading = false;
      },
    });
  };

  /** @param {"first" | "second"} branch */
  const pull = (branch) => {
    if (reading) {
      again[branch] = true;
      return promiseResolve(undefined);
    }
    reading = true;
    const request = branches[branch].controller.byobRequest;
    if (request === null) pullWithDefaultReader();
    else pullWithByobReader(request.view, branch);
    return promiseResolve(undefined);
  };

  const cancel = (/** @type {"first" | "second"} */ branch, /** @type {any} */ reason) => both.cancel(branch, reason);
  new ByteController(first, { start: undefined, pull: () => pull("first"), cancel: (reason) => cancel("first", reason) }, 0, undefined);
  new ByteController(second, { start: undefined, pull: () => pull("second"), cancel: (reason) => cancel("second", reason) }, 0, undefined);
  forwardError(reader);
  return { first, second };
}
