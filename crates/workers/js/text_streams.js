/** TextEncoderStream and TextDecoderStream (https://encoding.spec.whatwg.org/#interface-textencoderstream). */
import { utf8Encode } from "./bytes.js";
import { TextDecoder } from "./encoding.js";
import { apply, charCodeAt, promiseReject, promiseResolve, stringSlice, typedArrayLength } from "./primordials.js";
import { TransformState } from "./transform_stream.js";
import { newReadableStream } from "./readable_stream.js";
import { newWritableStream } from "./writable_stream.js";
import { defineInterface, toDOMString } from "./webidl.js";

const { decode } = TextDecoder.prototype;

/** @param {() => void} steps @returns {Promise<any>} */
function promised(steps) {
  try {
    steps();
    return promiseResolve(undefined);
  } catch (error) {
    return promiseReject(error);
  }
}
const resolved = () => promiseResolve(undefined);

export class TextEncoderStream {
  /** A high surrogate whose other half may come with the next chunk. */
  #high = "";
  #readable;
  #writable;

  constructor() {
    const state = new TransformState({
      start: undefined,
      check: undefined,
      transform: (chunk, controller) => promised(() => this.#encode(toDOMString(chunk), controller)),
      flush: (controller) =>
        promised(() => {
          if (this.#high !== "") controller.enqueue(utf8Encode("\uFFFD"));
        }),
      cancel: resolved,
    });
    this.#readable = newReadableStream(state.readable);
    this.#writable = newWritableStream(state.writable);
  }

  /** @param {string} chunk @param {TransformState} controller */
  #encode(chunk, controller) {
    if (chunk === "") return;
    let text = this.#high + chunk;
    this.#high = "";
    const last = charCodeAt(text, text.length - 1);
    if (last >= 0xd800 && last <= 0xdbff) {
      this.#high = stringSlice(text, text.length - 1);
      text = stringSlice(text, 0, text.length - 1);
    }
    const bytes = utf8Encode(text);
    if (typedArrayLength(bytes) > 0) controller.enqueue(bytes);
  }

  get encoding() {
    void this.#high;
    return "utf-8";
  }

  get readable() {
    return this.#readable;
  }

  get writable() {
    return this.#writable;
  }
}
defineInterface(TextEncoderStream);

export class TextDecoderStream {
  #decoder;
  #encoding;
  #fatal;
  #ignoreBOM;
  #readable;
  #writable;

  /** @param {any} [label] @param {any} [options] */
  constructor(label = "utf-8", options = undefined) {
    const decoder = new TextDecoder(label, options);
    this.#decoder = decoder;
    this.#encoding = decoder.encoding;
    this.#fatal = decoder.fatal;
    this.#ignoreBOM = decoder.ignoreBOM;
    const state = new TransformState({
      start: undefined,
      check: undefined,
      transform: (chunk, controller) =>
        promised(() => {
          const text = apply(decode, this.#decoder, [chunk === undefined ? null : chunk, { __proto__: null, stream: true }]);
          if (text !== "") controller.enqueue(text);
        }),
      flush: (controller) =>
        promised(() => {
          const text = apply(decode, this.#decoder, []);
          if (text !== "") controller.enqueue(text);
        }),
      cancel: resolved,
    });
    this.#readable = newReadableStream(state.readable);
    this.#writable = newWritableStream(state.writable);
  }

  get encoding() {
    return this.#encoding;
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#ignoreBOM;
  }

  get readable() {
    return this.#readable;
  }

  get writable() {
    return this.#writable;
  }
}
defineInterface(TextDecoderStream);
