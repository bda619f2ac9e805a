/**
 * Streams whose bytes come from outside of JavaScript: the body of a visitor's request or of a fetched response. Nothing
 * is pulled unless someone reads, and an untouched one can be given away whole, as a BodyId.
 */
import host from "./host_object.js";
import { cancelOperation, checkOwner, current, onComplete } from "./invocation.js";
import { newPromise, promiseReject, promiseResolve, typedArrayLength } from "./primordials.js";
import { ByteController } from "./readable_byte.js";
import { READABLE, ReadableState, acquireReader } from "./readable_core.js";
import { newReadableStream } from "./readable_stream.js";

/** Where a native stream's bytes come from. */
export class NativeSource {
  /** The body; 0 once it has been given away or has ended. @type {BodyId} */
  id;
  /** The invocation that may use it. @type {Invocation} */
  owner;
  /** @type {ReadableState} */
  #state;
  /** @type {Operation | undefined} */
  #reading = undefined;

  /** @param {BodyId} id @param {Invocation} owner @param {ReadableState} state */
  constructor(id, owner, state) {
    this.id = id;
    this.owner = owner;
    this.#state = state;
    state.native = this;
  }

  pull() {
    if (this.owner !== current) {
      // Reached only when another invocation's code moved this stream (a pipe); the stream fails there.
      try {
        checkOwner(this.owner);
      } catch (error) {
        return promiseReject(error);
      }
    }
    const { promise, resolve, reject } = newPromise();
    this.#read(resolve, reject);
    return promise;
  }

  /** @param {(value: any) => void} resolve @param {(reason: any) => void} reject */
  #read(resolve, reject) {
    const operation = host.bodyRead(this.id);
    this.#reading = operation;
    onComplete(
      operation,
      (bytes) => {
        this.#reading = undefined;
        const { controller, state } = this.#state;
        if (state !== READABLE) {
          resolve(undefined);
        } else if (bytes === undefined) {
          this.id = 0;
          controller.close();
          if (controller.byobRequest !== null) controller.respond(0);
          resolve(undefined);
        } else if (typedArrayLength(bytes) === 0) {
          this.#read(resolve, reject);
        } else {
          controller.enqueue(bytes);
          resolve(undefined);
        }
      },
      (error) => {
        this.#reading = undefined;
        this.id = 0;
        reject(error);
      },
    );
  }

  cancel() {
    const { id } = this;
    this.id = 0;
    if (this.#reading !== undefined) cancelOperation(this.#reading);
    if (id !== 0) host.bodyCancel(id);
    return promiseResolve(undefined);
  }
}

/**
 * A byte stream of a body.
 * @param {BodyId} id
 * @param {Invocation} owner
 */
export function newNativeStream(id, owner) {
  const state = new ReadableState();
  const source = new NativeSource(id, owner, state);
  new ByteController(state, { start: undefined, pull: () => source.pull(), cancel: () => source.cancel() }, 0, undefined);
  return newReadableStream(state);
}

/**
 * The body of an untouched native stream, which is read and locked from now on; 0 of any other stream.
 * @param {ReadableState} state
 * @returns {BodyId}
 */
export function takeNative(state) {
  const { native } = state;
  if (native === undefined || native.id === 0 || state.disturbed || state.reader !== undefined || state.state !== READABLE) return 0;
  checkOwner(native.owner);
  const { id } = native;
  acquireReader(state, false);
  state.disturbed = true;
  native.id = 0;
  return id;
}
