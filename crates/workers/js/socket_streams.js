/** The two streams of a socket, over a connection of the host, and when it is open and closed. */
import host from "./host_object.js";
import { cancelOperation, checkOwner, current, onComplete, promiseOf } from "./invocation.js";
import { Error, TypeError, markHandled, newPromise, promiseReject, promiseResolve, promiseThen, typedArrayByteLength } from "./primordials.js";
import { ByteController } from "./readable_byte.js";
import { READABLE, ReadableState, cancelStream, closeStream } from "./readable_core.js";
import { newReadableStream } from "./readable_stream.js";
import { isBufferSource, viewOf } from "./webidl.js";
import { WritableController } from "./writable_controller.js";
import { WRITABLE, WritableState, closeOrCloseInFlight, closeWritable } from "./writable_core.js";
import { newWritableStream } from "./writable_stream.js";

/** One piece is read ahead: that the other side has gone is noticed, and `closed` settles, without anybody reading. */
const READ_AHEAD = 1;

/** What a socket shows, from before it is connected until it is closed. */
export class SocketStreams {
  /** The connection; 0 before it stands and after it was closed or handed on. */
  id = 0;
  remoteAddress = "";
  readable;
  writable;
  readableState = new ReadableState();
  writableState = new WritableState();
  /** Its connection goes on, or will go on, as another socket. */
  handedOn = false;
  /** @type {Invocation} */
  #owner = current;
  /** @type {boolean} */
  #allowHalfOpen;
  #opened = newPromise();
  #closed = newPromise();
  /** @type {Operation | undefined} */
  #reading = undefined;
  /** Which directions have ended. */
  #readEnded = false;
  #writeEnded = false;

  /** @param {{allowHalfOpen: boolean, highWaterMark: number | undefined}} options */
  constructor({ allowHalfOpen, highWaterMark }) {
    this.#allowHalfOpen = allowHalfOpen;
    markHandled(this.#opened.promise);
    markHandled(this.#closed.promise);
    const source = { start: undefined, pull: () => this.#pull(), cancel: () => this.#cancel() };
    new ByteController(this.readableState, source, READ_AHEAD, undefined);
    const sink = {
      start: undefined,
      write: (/** @type {any} */ chunk) => this.#write(chunk),
      close: () => this.#end(),
      abort: (/** @type {any} */ reason) => this.#abort(reason),
    };
    const size = highWaterMark === undefined ? undefined : (/** @type {any} */ chunk) => typedArrayByteLength(bytesOf(chunk));
    new WritableController(this.writableState, sink, highWaterMark ?? 1, size);
    this.readable = newReadableStream(this.readableState);
    this.writable = newWritableStream(this.writableState);
  }

  get opened() {
    return this.#opened.promise;
  }

  /** Settles as `opened` does. */
  get connected() {
    return this.#opened.promise;
  }

  get closed() {
    return this.#closed.promise;
  }

  /** The connection stands. @param {number} id @param {string} remoteAddress */
  begin(id, remoteAddress) {
    this.id = id;
    this.remoteAddress = remoteAddress;
    this.#opened.resolve({ remoteAddress, localAddress: undefined });
  }

  /** It will never stand, or it broke. @param {any} error */
  fail(error) {
    this.#drop();
    this.#opened.reject(error);
    this.#closed.reject(error);
    if (this.readableState.state === READABLE) this.readableState.controller.error(error);
    this.writableState.controller.errorIfNeeded(error);
  }

  /** Sends what was written, then closes both directions. */
  close() {
    const closed = () => {
      if (this.readableState.state === READABLE) markHandled(cancelStream(this.readableState, undefined));
      this.#drop();
      this.#closed.resolve(undefined);
    };
    const ending = promiseThen(this.connected, () => {
      if (this.writableState.state === WRITABLE && !closeOrCloseInFlight(this.writableState)) return closeWritable(this.writableState);
      return undefined;
    });
    // What cannot be sent any more is no reason not to close.
    return promiseThen(ending, closed, closed);
  }

  /** Its connection goes on as another socket: this one is over. */
  handOn() {
    this.#stopReading();
    this.id = 0;
    if (this.readableState.state === READABLE) closeStream(this.readableState);
    this.#closed.resolve(undefined);
  }

  #pull() {
    try {
      checkOwner(this.#owner);
    } catch (error) {
      return promiseReject(error);
    }
    return promiseThen(this.connected, () => this.#read());
  }

  #read() {
    const { id, readableState } = this;
    if (id === 0 || readableState.state !== READABLE) return undefined;
    const { promise, resolve, reject } = newPromise();
    const operation = host.socketRead(id);
    this.#reading = operation;
    onComplete(
      operation,
      (bytes) => {
        this.#reading = undefined;
        const { controller } = readableState;
        if (readableState.state !== READABLE) {
          resolve(undefined);
        } else if (bytes === undefined) {
          controller.close();
          if (controller.byobRequest !== null) controller.respond(0);
          resolve(undefined);
          this.#endOfReading();
        } else {
          controller.enqueue(bytes);
          resolve(undefined);
        }
      },
      (error) => {
        this.#reading = undefined;
        reject(error);
        this.fail(error);
      },
    );
    return promise;
  }

  /** Nobody reads any more. */
  #cancel() {
    this.#stopReading();
    this.#readEnded = true;
    this.#closeWhenOver();
    return promiseResolve(undefined);
  }

  /** The other side has ended its direction; ours ends with it, unless half a connection is wanted. */
  #endOfReading() {
    this.#readEnded = true;
    const { writableState } = this;
    if (!this.#allowHalfOpen && writableState.state === WRITABLE && !closeOrCloseInFlight(writableState)) {
      markHandled(closeWritable(writableState));
    }
    this.#closeWhenOver();
  }

  /** @param {any} chunk */
  #write(chunk) {
    let bytes;
    try {
      checkOwner(this.#owner);
      bytes = bytesOf(chunk);
    } catch (error) {
      return promiseReject(error);
    }
    return promiseThen(this.connected, () => {
      if (this.id === 0) throw new Error("The socket is closed.");
      const written = promiseOf(host.socketWrite(this.id, bytes));
      return promiseThen(written, undefined, (/** @type {any} */ error) => {
        this.fail(error);
        throw error;
      });
    });
  }

  /** Ours ends. */
  #end() {
    return promiseThen(this.connected, () => {
      if (this.handedOn || this.id === 0) return undefined;
      const ended = promiseOf(host.socketEnd(this.id));
      return promiseThen(
        ended,
        () => {
          this.#writeEnded = true;
          this.#closeWhenOver();
        },
        (/** @type {any} */ error) => {
          this.fail(error);
          throw error;
        },
      );
    });
  }

  /** @param {any} reason */
  #abort(reason) {
    this.fail(reason ?? new TypeError("The socket's writable stream was aborted."));
    return promiseResolve(undefined);
  }

  #closeWhenOver() {
    if (!this.#readEnded || !this.#writeEnded) return;
    this.#drop();
    this.#closed.resolve(undefined);
  }

  #stopReading() {
    if (this.#reading === undefined) return;
    cancelOperation(this.#reading);
    this.#reading = undefined;
  }

  #drop() {
    this.#stopReading();
    const { id } = this;
    this.id = 0;
    if (id !== 0) host.socketClose(id);
  }
}

/** @param {any} chunk @returns {Uint8Array} */
function bytesOf(chunk) {
  if (!isBufferSource(chunk)) throw new TypeError("This WritableStream only supports writing byte types.");
  return viewOf(chunk, "A chunk of the socket");
}
