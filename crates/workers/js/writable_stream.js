/** WritableStream, its writer and its controller (https://streams.spec.whatwg.org/#ws-class). */
import { RangeError, TypeError, apply, promiseReject, promiseResolve } from "./primordials.js";
import { highWaterMark, toStrategy } from "./queuing_strategies.js";
import { INTERNAL, defineInterface, illegalConstructor, isObject, requireArguments, toFunction, wrongThis } from "./webidl.js";
import { WritableController } from "./writable_controller.js";
import {
  WRITABLE,
  WritableState,
  abortWritable,
  acquireWriter,
  closeOrCloseInFlight,
  closeWritable,
  desiredSizeOf,
  releaseWriter,
  writeTo,
} from "./writable_core.js";

/** @typedef {import("./writable_core.js").WriterState} WriterState */

/** @type {(stream: WritableStream) => WritableState} */
export let writableStateOf;
/** @type {(value: any) => value is WritableStream} */
export let isWritableStream;
/** @type {(value: any) => boolean} */
let isWriter;

export class WritableStream {
  /** @type {WritableState} */
  #state;

  /** @param {any} [underlyingSink] @param {any} [strategy] */
  constructor(underlyingSink = undefined, strategy = undefined) {
    if (underlyingSink === INTERNAL) {
      this.#state = strategy;
      return;
    }
    if (underlyingSink !== undefined && !isObject(underlyingSink)) {
      throw new TypeError("WritableStream constructor: the underlying sink is not an object.");
    }
    const queuing = toStrategy(strategy);
    const state = (this.#state = new WritableState());
    const given = underlyingSink ?? {};
    const abort = sinkFunction(given.abort, "abort");
    const close = sinkFunction(given.close, "close");
    const start = sinkFunction(given.start, "start");
    if (given.type !== undefined) throw new RangeError("The underlying sink's type must be undefined.");
    const write = sinkFunction(given.write, "write");
    const mark = highWaterMark(queuing, 1);
    const sink = sinkOfScript(underlyingSink, { abort, close, start, write });
    new WritableController(state, sink, mark, queuing.size);
  }

  get locked() {
    return this.#state.writer !== undefined;
  }

  /** @param {any} [reason] */
  abort(reason = undefined) {
    if (!isWritableStream(this)) return wrongThis();
    if (this.#state.writer !== undefined) return promiseReject(new TypeError("Cannot abort a stream that is locked to a writer."));
    return abortWritable(this.#state, reason);
  }

  close() {
    if (!isWritableStream(this)) return wrongThis();
    const state = this.#state;
    if (state.writer !== undefined) return promiseReject(new TypeError("Cannot close a stream that is locked to a writer."));
    if (closeOrCloseInFlight(state)) return promiseReject(new TypeError("This WritableStream is being closed already."));
    return closeWritable(state);
  }

  getWriter() {
    return new WritableStreamDefaultWriter(this);
  }

  static {
    writableStateOf = (stream) => stream.#state;
    isWritableStream = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #state in value);
  }
}
defineInterface(WritableStream);

/** @param {any} value @param {string} name */
function sinkFunction(value, name) {
  return value === undefined ? undefined : toFunction(value, `The underlying sink's ${name}`);
}

/**
 * @param {any} underlying
 * @param {{abort: any, close: any, start: any, write: any}} methods
 * @returns {import("./writable_controller.js").Sink}
 */
function sinkOfScript(underlying, { abort, close, start, write }) {
  /** @param {any} method @param {any[]} values */
  const promised = (method, values) => {
    if (method === undefined) return promiseResolve(undefined);
    try {
      return promiseResolve(apply(method, underlying, values));
    } catch (error) {
      return promiseReject(error);
    }
  };
  return {
    start: start === undefined ? undefined : (controller) => apply(start, underlying, [writableFacade(controller)]),
    write: (chunk, controller) => promised(write, [chunk, writableFacade(controller)]),
    close: () => promised(close, []),
    abort: (reason) => promised(abort, [reason]),
  };
}

/** @param {WritableController} controller @returns {WritableStreamDefaultController} */
function writableFacade(controller) {
  return (controller.facade ??= new WritableStreamDefaultController(INTERNAL, controller));
}

/** @param {WritableState} state */
export function newWritableStream(state) {
  return new WritableStream(INTERNAL, state);
}

export class WritableStreamDefaultController {
  /** @type {WritableController} */
  #state;

  /** @param {any} key @param {any} state */
  constructor(key = undefined, state = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#state = state;
  }

  get signal() {
    return this.#state.signal;
  }

  /** @param {any} [error] */
  error(error = undefined) {
    if (this.#state.stream.state === WRITABLE) this.#state.error(error);
  }
}
defineInterface(WritableStreamDefaultController);

export class WritableStreamDefaultWriter {
  /** @type {WriterState} */
  #state;

  /** @param {any} stream */
  constructor(stream) {
    requireArguments(arguments.length, 1, "WritableStreamDefaultWriter constructor");
    if (!isWritableStream(stream)) throw new TypeError("WritableStreamDefaultWriter constructor: not a WritableStream.");
    this.#state = acquireWriter(writableStateOf(stream));
  }

  get closed() {
    return isWriter(this) ? this.#state.closed : wrongThis();
  }

  get desiredSize() {
    if (this.#state.stream === undefined) throw new TypeError("This WritableStream writer has been released.");
    return desiredSizeOf(this.#state);
  }

  get ready() {
    return isWriter(this) ? this.#state.ready : wrongThis();
  }

  /** @param {any} [reason] */
  abort(reason = undefined) {
    if (!isWriter(this)) return wrongThis();
    const { stream } = this.#state;
    if (stream === undefined) return promiseReject(new TypeError("This WritableStream writer has been released."));
    return abortWritable(stream, reason);
  }

  close() {
    if (!isWriter(this)) return wrongThis();
    const { stream } = this.#state;
    if (stream === undefined) return promiseReject(new TypeError("This WritableStream writer has been released."));
    if (closeOrCloseInFlight(stream)) return promiseReject(new TypeError("This WritableStream is being closed already."));
    return closeWritable(stream);
  }

  releaseLock() {
    releaseWriter(this.#state);
  }

  /** @param {any} [chunk] */
  write(chunk = undefined) {
    if (!isWriter(this)) return wrongThis();
    return writeTo(this.#state, chunk);
  }

  static {
    isWriter = (value) => isObject(value) && #state in value;
  }
}
defineInterface(WritableStreamDefaultWriter);
