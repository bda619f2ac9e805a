/** ReadableStream and its readers (https://streams.spec.whatwg.org/#rs-class). */
import { isAbortSignal } from "./abort.js";
import {
  RangeError,
  SymbolAsyncIterator,
  TypeError,
  arrayBufferDetached,
  arrayBufferByteLength,
  defineProperty,
  isView,
  newPromise,
  promiseReject,
  markHandled,
  dataViewByteLength,
  typedArrayByteLength,
  typedArrayLength,
  typedArrayName,
} from "./primordials.js";
import { highWaterMark, toStrategy } from "./queuing_strategies.js";
import { ByteController } from "./readable_byte.js";
import { ERRORED, ReadableState, acquireReader, cancelStream, readFrom, releaseReader } from "./readable_core.js";
import { DefaultController, sourceOfScript } from "./readable_default.js";
import { stateOfIterable } from "./readable_from.js";
import { newIterator } from "./readable_iterator.js";
import { pipe } from "./readable_pipe.js";
import { tee } from "./readable_tee.js";
import {
  INTERNAL,
  bufferOfView,
  defineInterface,
  isObject,
  requireArguments,
  toDictionary,
  toEnforcedUnsignedLongLong,
  toEnum,
  toFunction,
  wrongThis,
} from "./webidl.js";
import { isWritableStream, writableStateOf } from "./writable_stream.js";

/**
 * @typedef {import("./readable_core.js").ReaderState} ReaderState
 * @typedef {import("./readable_core.js").ReadRequest} ReadRequest
 */

/** @type {(stream: ReadableStream) => ReadableState} */
export let stateOf;
/** @type {(value: any) => value is ReadableStream} */
export let isReadableStream;
/** @type {(value: any) => boolean} */
let isDefaultReader;
/** @type {(value: any) => boolean} */
let isByobReader;

export class ReadableStream {
  /** @type {ReadableState} */
  #state;

  /** @param {any} [underlyingSource] @param {any} [strategy] */
  constructor(underlyingSource = undefined, strategy = undefined) {
    if (underlyingSource === INTERNAL) {
      this.#state = strategy;
      return;
    }
    if (underlyingSource !== undefined && !isObject(underlyingSource)) {
      throw new TypeError("ReadableStream constructor: the underlying source is not an object.");
    }
    const queuing = toStrategy(strategy);
    const state = (this.#state = new ReadableState());
    const given = underlyingSource ?? {};
    const { autoAllocateChunkSize, cancel, pull, start, type } = readSource(given);
    const methods = { start, pull, cancel };
    if (type === undefined) {
      const source = sourceOfScript(underlyingSource, methods);
      new DefaultController(state, source, highWaterMark(queuing, 1), queuing.size);
      return;
    }
    if (queuing.hasSize) throw new RangeError("The strategy of a byte stream cannot have a size function.");
    const mark = highWaterMark(queuing, 0);
    if (autoAllocateChunkSize === 0) throw new TypeError("autoAllocateChunkSize must be greater than 0.");
    new ByteController(state, sourceOfScript(underlyingSource, methods), mark, autoAllocateChunkSize);
  }

  /** @param {any} asyncIterable */
  static from(asyncIterable) {
    requireArguments(arguments.length, 1, "ReadableStream.from");
    return newReadableStream(stateOfIterable(asyncIterable));
  }

  get locked() {
    return this.#state.reader !== undefined;
  }

  /** @param {any} [reason] */
  cancel(reason = undefined) {
    if (!isReadableStream(this)) return wrongThis();
    const state = this.#state;
    if (state.reader !== undefined) return promiseReject(new TypeError("Cannot cancel a stream that is locked to a reader."));
    return cancelStream(state, reason);
  }

  /** @param {any} [options] */
  getReader(options = undefined) {
    const state = this.#state;
    const { mode } = toDictionary(options, "ReadableStream.getReader: the options");
    if (mode === undefined) return new ReadableStreamDefaultReader(INTERNAL, acquireReader(state, false));
    toEnum(mode, ["byob"], "ReadableStream.getReader: the option 'mode'");
    return new ReadableStreamBYOBReader(INTERNAL, acquireReader(state, true));
  }

  /** @param {any} transform @param {any} [options] */
  pipeThrough(transform, options = undefined) {
    const state = this.#state;
    requireArguments(arguments.length, 1, "ReadableStream.pipeThrough");
    if (!isObject(transform)) throw new TypeError("ReadableStream.pipeThrough: the argument is not an object.");
    const { readable } = transform;
    if (!isReadableStream(readable)) throw new TypeError("ReadableStream.pipeThrough: 'readable' is not a ReadableStream.");
    const { writable } = transform;
    if (!isWritableStream(writable)) throw new TypeError("ReadableStream.pipeThrough: 'writable' is not a WritableStream.");
    const pipeOptions = toPipeOptions(options);
    if (state.reader !== undefined) throw new TypeError("ReadableStream.pipeThrough: the stream is locked.");
    const target = writableStateOf(writable);
    if (target.writer !== undefined) throw new TypeError("ReadableStream.pipeThrough: 'writable' is locked.");
    markHandled(pipe(state, target, pipeOptions));
    return readable;
  }

  /** @param {any} destination @param {any} [options] */
  pipeTo(destination, options = undefined) {
    try {
      const state = this.#state;
      requireArguments(arguments.length, 1, "ReadableStream.pipeTo");
      if (!isWritableStream(destination)) throw new TypeError("ReadableStream.pipeTo: the destination is not a WritableStream.");
      const pipeOptions = toPipeOptions(options);
      if (state.reader !== undefined) throw new TypeError("ReadableStream.pipeTo: the stream is locked.");
      const target = writableStateOf(destination);
      if (target.writer !== undefined) throw new TypeError("ReadableStream.pipeTo: the destination is locked.");
      return pipe(state, target, pipeOptions);
    } catch (error) {
      return promiseReject(error);
    }
  }

  tee() {
    const branches = tee(this.#state);
    return [newReadableStream(branches.first), newReadableStream(branches.second)];
  }

  /** @param {any} [options] */
  values(options = undefined) {
    const state = this.#state;
    const preventCancel = !!toDictionary(options, "ReadableStream.values: the options").preventCancel;
    return newIterator(acquireReader(state, false), preventCancel);
  }

  static {
    stateOf = (stream) => stream.#state;
    isReadableStream = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #state in value);
  }
}

/** Reads the members of an underlying source, in the order that Web IDL says. @param {any} given */
function readSource(given) {
  let autoAllocateChunkSize = given.autoAllocateChunkSize;
  if (autoAllocateChunkSize !== undefined) {
    autoAllocateChunkSize = toEnforcedUnsignedLongLong(autoAllocateChunkSize, "autoAllocateChunkSize");
  }
  const cancel = optionalFunction(given.cancel, "The underlying source's cancel");
  const pull = optionalFunction(given.pull, "The underlying source's pull");
  const start = optionalFunction(given.start, "The underlying source's start");
  let type = given.type;
  if (type !== undefined) type = toEnum(type, ["bytes"], "The underlying source's type");
  return { autoAllocateChunkSize, cancel, pull, start, type };
}

/** @param {any} value @param {string} what */
function optionalFunction(value, what) {
  return value === undefined ? undefined : toFunction(value, what);
}

/**
 * @typedef {{preventClose: boolean, preventAbort: boolean, preventCancel: boolean, signal: import("./abort.js").AbortSignal | undefined}} PipeOptions
 * @param {any} options
 * @returns {PipeOptions}
 */
function toPipeOptions(options) {
  const dictionary = toDictionary(options, "The options of the pipe");
  const preventAbort = !!dictionary.preventAbort;
  const preventCancel = !!dictionary.preventCancel;
  const preventClose = !!dictionary.preventClose;
  const { signal } = dictionary;
  if (signal !== undefined && !isAbortSignal(signal)) throw new TypeError("The option 'signal' of the pipe is not an AbortSignal.");
  return { preventAbort, preventCancel, preventClose, signal };
}

defineInterface(ReadableStream);
defineProperty(ReadableStream.prototype, SymbolAsyncIterator, {
  value: ReadableStream.prototype.values,
  writable: true,
  enumerable: false,
  configurable: true,
});

/** @param {ReadableState} state */
export function newReadableStream(state) {
  return new ReadableStream(INTERNAL, state);
}

/**
 * A stream that the runtime fills with any values.
 * @param {import("./readable_default.js").Source} source
 * @param {number} mark
 */
export function newDefaultStream(source, mark) {
  const state = new ReadableState();
  new DefaultController(state, source, mark, undefined);
  return newReadableStream(state);
}

// === readers ===

/** @implements {ReadRequest} */
class PromisedRead {
  #settle = newPromise();

  get promise() {
    return this.#settle.promise;
  }

  /** @param {any} value */
  chunk(value) {
    this.#settle.resolve({ value, done: false });
  }

  /** @param {any} [value] */
  close(value = undefined) {
    this.#settle.resolve({ value, done: true });
  }

  /** @param {any} reason */
  error(reason) {
    this.#settle.reject(reason);
  }
}

/** @param {ReaderState} reader @param {any} reason */
function cancelByReader(reader, reason) {
  if (reader.stream === undefined) return promiseReject(new TypeError("This ReadableStream reader has been released."));
  return cancelStream(reader.stream, reason);
}

export class ReadableStreamDefaultReader {
  /** @type {ReaderState} */
  #state;

  /** @param {any} stream @param {any} state */
  constructor(stream, state = undefined) {
    if (stream === INTERNAL) {
      this.#state = state;
      return;
    }
    requireArguments(arguments.length, 1, "ReadableStreamDefaultReader constructor");
    if (!isReadableStream(stream)) throw new TypeError("ReadableStreamDefaultReader constructor: not a ReadableStream.");
    this.#state = acquireReader(stateOf(stream), false);
  }

  get closed() {
    if (!isDefaultReader(this)) return wrongThis();
    return this.#state.closed;
  }

  /** @param {any} [reason] */
  cancel(reason = undefined) {
    if (!isDefaultReader(this)) return wrongThis();
    return cancelByReader(this.#state, reason);
  }

  read() {
    if (!isDefaultReader(this)) return wrongThis();
    if (this.#state.stream === undefined) return promiseReject(new TypeError("This ReadableStream reader has been released."));
    const request = new PromisedRead();
    readFrom(this.#state, request);
    return request.promise;
  }

  releaseLock() {
    releaseReader(this.#state);
  }

  static {
    isDefaultReader = (value) => isObject(value) && #state in value;
  }
}
defineInterface(ReadableStreamDefaultReader);

export class ReadableStreamBYOBReader {
  /** @type {ReaderState} */
  #state;

  /** @param {any} stream @param {any} state */
  constructor(stream, state = undefined) {
    if (stream === INTERNAL) {
      this.#state = state;
      return;
    }
    requireArguments(arguments.length, 1, "ReadableStreamBYOBReader constructor");
    if (!isReadableStream(stream)) throw new TypeError("ReadableStreamBYOBReader constructor: not a ReadableStream.");
    this.#state = acquireReader(stateOf(stream), true);
  }

  get closed() {
    if (!isByobReader(this)) return wrongThis();
    return this.#state.closed;
  }

  /** @param {any} [reason] */
  cancel(reason = undefined) {
    if (!isByobReader(this)) return wrongThis();
    return cancelByReader(this.#state, reason);
  }

  /** @param {any} view @param {any} [options] */
  read(view, options = undefined) {
    try {
      const state = this.#state;
      requireArguments(arguments.length, 1, "ReadableStreamBYOBReader.read");
      return readInto(state, view, options);
    } catch (error) {
      return promiseReject(error);
    }
  }

  /** Cloudflare's: a read of at least so many bytes. @param {number} minBytes @param {any} view */
  readAtLeast(minBytes, view) {
    try {
      return readInto(this.#state, view, { min: minBytes });
    } catch (error) {
      return promiseReject(error);
    }
  }

  releaseLock() {
    releaseReader(this.#state);
  }

  static {
    isByobReader = (value) => isObject(value) && #state in value;
  }
}
defineInterface(ReadableStreamBYOBReader);

/** @param {ReaderState} reader @param {any} view @param {any} options */
function readInto(reader, view, options) {
  if (!isView(view)) throw new TypeError("ReadableStreamBYOBReader.read: the argument is not an ArrayBufferView.");
  const given = toDictionary(options, "ReadableStreamBYOBReader.read: the options").min;
  const minimum = given === undefined ? 1 : toEnforcedUnsignedLongLong(given, "The option 'min'");
  const typed = typedArrayName(view) !== undefined;
  const bytes = typed ? typedArrayByteLength(view) : dataViewByteLength(view);
  if (bytes === 0) throw new TypeError("The view to read into is empty.");
  const buffer = bufferOfView(view);
  if (arrayBufferByteLength(buffer) === 0) throw new TypeError("The buffer to read into is empty.");
  if (arrayBufferDetached(buffer)) throw new TypeError("The buffer to read into is detached.");
  if (minimum === 0) throw new TypeError("The option 'min' must be greater than 0.");
  if (minimum > (typed ? typedArrayLength(view) : bytes)) throw new RangeError("The option 'min' is larger than the view.");
  const { stream } = reader;
  if (stream === undefined) throw new TypeError("This ReadableStream reader has been released.");
  const request = new PromisedRead();
  stream.disturbed = true;
  if (stream.state === ERRORED) request.error(stream.storedError);
  else stream.controller.pullInto(view, minimum, request);
  return request.promise;
}
