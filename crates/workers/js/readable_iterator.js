/** Asynchronous iteration of streams (https://webidl.spec.whatwg.org/#js-asynchronous-iterable). */
import { TypeError, asyncIteratorPrototype, newPromise, promiseReject, promiseResolve, promiseThen, setPrototypeOf } from "./primordials.js";
import { cancelStream, readFrom, releaseReader } from "./readable_core.js";
import { makeEnumerable } from "./webidl.js";

/** @typedef {import("./readable_core.js").ReaderState} ReaderState */

const END = Symbol("end");

/** @type {(reader: ReaderState, preventCancel: boolean) => any} */
export let newIterator;

/** The default asynchronous iterator of ReadableStream (https://webidl.spec.whatwg.org/#es-default-asynchronous-iterator-object). */
class ReadableStreamAsyncIterator {
  /** @type {ReaderState} */
  #reader;
  /** @type {boolean} */
  #preventCancel;
  /** @type {Promise<any> | undefined} */
  #ongoing;
  #finished = false;

  /** @param {ReaderState} reader @param {boolean} preventCancel */
  constructor(reader, preventCancel) {
    this.#reader = reader;
    this.#preventCancel = preventCancel;
  }

  next() {
    if (!(#reader in this)) return promiseReject(new TypeError("Illegal invocation: function called with incorrect `this` reference."));
    const steps = () => this.#next();
    return (this.#ongoing = this.#ongoing === undefined ? steps() : promiseThen(this.#ongoing, steps, steps));
  }

  /** @param {any} value */
  return(value) {
    if (!(#reader in this)) return promiseReject(new TypeError("Illegal invocation: function called with incorrect `this` reference."));
    const steps = () => this.#return(value);
    const returned = this.#ongoing === undefined ? steps() : promiseThen(this.#ongoing, steps, steps);
    this.#ongoing = returned;
    return promiseThen(returned, () => ({ value, done: true }));
  }

  #next() {
    if (this.#finished) return promiseResolve({ value: undefined, done: true });
    const { promise, resolve, reject } = newPromise();
    readFrom(this.#reader, {
      chunk: resolve,
      close: () => {
        this.#finished = true;
        releaseReader(this.#reader);
        resolve(END);
      },
      error: (reason) => {
        this.#finished = true;
        releaseReader(this.#reader);
        reject(reason);
      },
    });
    return promiseThen(promise, (value) => (value === END ? { value: undefined, done: true } : { value, done: false }));
  }

  /** @param {any} value */
  #return(value) {
    if (this.#finished) return promiseResolve({ value, done: true });
    this.#finished = true;
    if (this.#preventCancel) {
      releaseReader(this.#reader);
      return promiseResolve(undefined);
    }
    const canceled = cancelStream(/** @type {import("./readable_core.js").ReadableState} */ (this.#reader.stream), value);
    releaseReader(this.#reader);
    return canceled;
  }

  static {
    newIterator = (reader, preventCancel) => new ReadableStreamAsyncIterator(reader, preventCancel);
  }
}
{
  const { prototype } = ReadableStreamAsyncIterator;
  delete (/** @type {any} */ (prototype).constructor);
  makeEnumerable(prototype);
  setPrototypeOf(prototype, asyncIteratorPrototype);
}
