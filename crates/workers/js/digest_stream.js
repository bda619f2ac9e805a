/** `crypto.DigestStream` (https://developers.cloudflare.com/workers/runtime-apis/web-crypto/#constructors). */
import { bufferOf } from "./crypto_key.js";
import { normalize } from "./crypto_params.js";
import host from "./host_object.js";
import { BigInt, TypeError, markHandled, newPromise, typedArrayLength } from "./primordials.js";
import { utf8Encode } from "./bytes.js";
import { defineInterface, isBufferSource, requireArguments, viewOf } from "./webidl.js";
import { WritableStream } from "./writable_stream.js";

export class DigestStream extends WritableStream {
  #digest;
  #written = { bytes: 0n };

  /** @param {any} algorithm */
  constructor(algorithm) {
    requireArguments(arguments.length, 1, "DigestStream constructor");
    const { name } = normalize("digest", algorithm);
    const digest = newPromise();
    const written = { bytes: 0n };
    /** @type {number | undefined} */
    let id;
    super({
      __proto__: null,
      write(/** @type {any} */ chunk) {
        let bytes;
        if (typeof chunk === "string") bytes = utf8Encode(chunk);
        else if (isBufferSource(chunk)) bytes = viewOf(chunk, "The chunk");
        else throw new TypeError("DigestStream is a byte stream but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.");
        id ??= host.hashCreate(name);
        host.hashUpdate(id, bytes);
        written.bytes += BigInt(typedArrayLength(bytes));
      },
      close() {
        id ??= host.hashCreate(name);
        const result = host.hashFinish(id);
        if (result === undefined) throw new TypeError("The request that this digest belongs to has ended.");
        digest.resolve(bufferOf(result));
      },
      abort(/** @type {any} */ reason) {
        if (id !== undefined) host.hashFinish(id);
        digest.reject(reason);
      },
    });
    markHandled(digest.promise);
    this.#digest = digest.promise;
    this.#written = written;
  }

  get digest() {
    return this.#digest;
  }

  get bytesWritten() {
    return this.#written.bytes;
  }
}
defineInterface(DigestStream);
