/** The classes of byte streams that scripts see: ReadableByteStreamController and ReadableStreamBYOBRequest. */
import {
  TypeError,
  arrayBufferByteLength,
  arrayBufferDetached,
  dataViewByteLength,
  isView,
  typedArrayByteLength,
  typedArrayName,
} from "./primordials.js";
import { INTERNAL, bufferOfView, defineInterface, illegalConstructor, requireArguments, toEnforcedUnsignedLongLong } from "./webidl.js";

/** @typedef {import("./readable_byte.js").ByteController} ByteController */

/** @param {any} view */
export const byteLengthOf = (view) => (typedArrayName(view) === undefined ? dataViewByteLength(view) : typedArrayByteLength(view));

export class ReadableByteStreamController {
  /** @type {ByteController} */
  #state;

  /** @param {any} key @param {any} state */
  constructor(key = undefined, state = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#state = state;
  }

  get byobRequest() {
    return this.#state.byobRequest;
  }

  get desiredSize() {
    return this.#state.desiredSize;
  }

  close() {
    if (!this.#state.canCloseOrEnqueue) throw new TypeError("The stream is not in a state that permits close.");
    this.#state.close();
  }

  /** @param {any} chunk */
  enqueue(chunk) {
    const state = this.#state;
    requireArguments(arguments.length, 1, "ReadableByteStreamController.enqueue");
    if (!isView(chunk)) throw new TypeError("The chunk is not an ArrayBufferView.");
    if (byteLengthOf(chunk) === 0) throw new TypeError("The chunk is empty.");
    if (arrayBufferByteLength(bufferOfView(chunk)) === 0) throw new TypeError("The chunk's buffer is empty.");
    if (!state.canCloseOrEnqueue) throw new TypeError("The stream is not in a state that permits enqueue.");
    state.enqueue(chunk);
  }

  /** @param {any} [reason] */
  error(reason = undefined) {
    this.#state.error(reason);
  }
}
defineInterface(ReadableByteStreamController);

/** The request has been answered, or never will be. @type {(request: ReadableStreamBYOBRequest) => void} */
export let invalidate;

export class ReadableStreamBYOBRequest {
  /** @type {ByteController | undefined} */
  #controller;
  /** @type {Uint8Array | null} */
  #view;

  /** @param {any} key @param {any} controller @param {any} view */
  constructor(key = undefined, controller = undefined, view = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#controller = controller;
    this.#view = view;
  }

  get view() {
    return this.#view;
  }

  /** @param {number} bytesWritten */
  respond(bytesWritten) {
    void this.#view;
    requireArguments(arguments.length, 1, "ReadableStreamBYOBRequest.respond");
    const bytes = toEnforcedUnsignedLongLong(bytesWritten, "bytesWritten");
    if (this.#controller === undefined) throw new TypeError("This BYOB request has been invalidated.");
    if (arrayBufferDetached(bufferOfView(this.#view))) throw new TypeError("The BYOB request's buffer is detached.");
    this.#controller.respond(bytes);
  }

  /** @param {ArrayBufferView} view */
  respondWithNewView(view) {
    void this.#view;
    requireArguments(arguments.length, 1, "ReadableStreamBYOBRequest.respondWithNewView");
    if (!isView(view)) throw new TypeError("The argument is not an ArrayBufferView.");
    if (this.#controller === undefined) throw new TypeError("This BYOB request has been invalidated.");
    if (arrayBufferDetached(bufferOfView(view))) throw new TypeError("The view's buffer is detached.");
    this.#controller.respondWithNewView(view);
  }

  static {
    invalidate = (request) => {
      request.#controller = undefined;
      request.#view = null;
    };
  }
}
defineInterface(ReadableStreamBYOBRequest);

