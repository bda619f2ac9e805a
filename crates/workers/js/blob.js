/** Blob and File (https://w3c.github.io/FileAPI/). The bytes of a blob are one array, shared by its slices. */
import { concat, copy, utf8Decode, utf8Encode } from "./bytes.js";
import host from "./host_object.js";
import {
  Uint8Array,
  charCodeAt,
  floor,
  max,
  min,
  promiseResolve,
  replaceEvery,
  splitAt,
  arrayJoin,
  toLowerCase,
  typedArrayBuffer,
  typedArrayByteLength,
  typedArrayByteOffset,
} from "./primordials.js";
import { ByteController } from "./readable_byte.js";
import { ReadableState } from "./readable_core.js";
import { newReadableStream } from "./readable_stream.js";
import {
  INTERNAL,
  defineInterface,
  forEachOfSequence,
  isBufferSource,
  isObject,
  requireArguments,
  toClampedLongLong,
  toDictionary,
  toEnum,
  toUSVString,
  toDOMString,
  viewOf,
  wrongThis,
} from "./webidl.js";

/** @type {(value: any) => value is Blob} */
export let isBlob;
/** Its bytes, not to be changed. @type {(blob: Blob) => Uint8Array<ArrayBuffer>} */
export let blobBytes;
/** @type {(blob: Blob) => string} */
export let blobType;

/** How much of a blob a stream gives at a time. */
const STREAM_CHUNK = 65536;

export class Blob {
  /** @type {Uint8Array<ArrayBuffer>} */
  #bytes;
  #type = "";

  /** @param {any} [parts] @param {any} [options] */
  constructor(parts = undefined, options = undefined) {
    if (parts === INTERNAL) {
      this.#bytes = options.bytes;
      this.#type = options.type;
      return;
    }
    /** @type {any[]} */
    const items = [];
    if (parts !== undefined) {
      forEachOfSequence(parts, "Blob constructor: the first argument", (item) => {
        items[items.length] = isBlob(item) || isBufferSource(item) ? item : toUSVString(item);
      });
    }
    const dictionary = toDictionary(options, "Blob constructor: the options");
    const endings = dictionary.endings;
    const native = endings !== undefined && toEnum(endings, ["native", "transparent"], "The option 'endings'") === "native";
    const type = dictionary.type;
    if (type !== undefined) this.#type = normalType(toDOMString(type));
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (typeof item === "string") items[i] = utf8Encode(native ? nativeLines(item) : item);
      else if (isBlob(item)) items[i] = item.#bytes;
      else items[i] = viewOf(item, "A part of the Blob");
    }
    this.#bytes = concat(items);
  }

  get size() {
    return typedArrayByteLength(this.#bytes);
  }

  get type() {
    return this.#type;
  }

  /** @param {number} [start] @param {number} [end] @param {string} [contentType] */
  slice(start = undefined, end = undefined, contentType = undefined) {
    const size = typedArrayByteLength(this.#bytes);
    const from = start === undefined ? 0 : position(toClampedLongLong(start), size);
    const to = end === undefined ? size : position(toClampedLongLong(end), size);
    const length = max(to - from, 0);
    const offset = typedArrayByteOffset(this.#bytes) + min(from, size);
    const bytes = new Uint8Array(typedArrayBuffer(this.#bytes), offset, length);
    return new Blob(INTERNAL, { bytes, type: contentType === undefined ? "" : normalType(toDOMString(contentType)) });
  }

  stream() {
    const bytes = this.#bytes;
    const size = typedArrayByteLength(bytes);
    const state = new ReadableState();
    let at = 0;
    const pull = () => {
      if (at < size) {
        const length = min(size - at, STREAM_CHUNK);
        state.controller.enqueue(copy(new Uint8Array(typedArrayBuffer(bytes), typedArrayByteOffset(bytes) + at, length)));
        at += length;
      }
      if (at === size) {
        state.controller.close();
        if (state.controller.byobRequest !== null) state.controller.respond(0);
      }
      return promiseResolve(undefined);
    };
    new ByteController(state, { start: undefined, pull, cancel: () => promiseResolve(undefined) }, 0, undefined);
    return newReadableStream(state);
  }

  text() {
    return isBlob(this) ? promiseResolve(utf8Decode(this.#bytes)) : wrongThis();
  }

  arrayBuffer() {
    return isBlob(this) ? promiseResolve(typedArrayBuffer(copy(this.#bytes))) : wrongThis();
  }

  bytes() {
    return isBlob(this) ? promiseResolve(copy(this.#bytes)) : wrongThis();
  }

  static {
    isBlob = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #bytes in value);
    blobBytes = (blob) => blob.#bytes;
    blobType = (blob) => blob.#type;
  }
}
defineInterface(Blob);

/** @param {number} at @param {number} size */
function position(at, size) {
  return at < 0 ? max(size + at, 0) : min(floor(at), size);
}

/** A media type is lower case, and none if it has a character outside of U+0020 to U+007E. @param {string} type */
function normalType(type) {
  for (let i = 0; i < type.length; i++) {
    const code = charCodeAt(type, i);
    if (code < 0x20 || code > 0x7e) return "";
  }
  return toLowerCase(type);
}

/** @param {string} text */
function nativeLines(text) {
  return arrayJoin(splitAt(replaceEvery(text, "\r\n", "\n"), "\r"), "\n");
}

/** @param {Uint8Array<ArrayBuffer>} bytes which become the blob's @param {string} type as it is */
export function newBlob(bytes, type) {
  return new Blob(INTERNAL, { bytes, type });
}

/** @type {(value: any) => value is File} */
export let isFile;
/** @type {(file: File) => string} */
export let fileName;
/** @type {(file: File) => number} */
let modified;

export class File extends Blob {
  #name = "";
  #lastModified = 0;

  /** @param {any} parts @param {any} name @param {any} [options] */
  constructor(parts, name, options = undefined) {
    if (parts === INTERNAL) {
      super(INTERNAL, options);
      this.#name = name;
      this.#lastModified = options.lastModified;
      return;
    }
    requireArguments(arguments.length, 2, "File constructor");
    super(parts, options);
    this.#name = toUSVString(name);
    const modified = options?.lastModified;
    this.#lastModified = modified === undefined ? floor(host.now()) : toClampedLongLong(modified);
  }

  get name() {
    return this.#name;
  }

  get lastModified() {
    return this.#lastModified;
  }

  static {
    isFile = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #name in value);
    fileName = (file) => file.#name;
    modified = (file) => file.#lastModified;
  }
}
defineInterface(File);

/**
 * Bytes as a file.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {string} type
 * @param {string} name
 * @param {number} [lastModified]
 */
export function newFile(bytes, type, name, lastModified = floor(host.now())) {
  return new File(INTERNAL, name, { bytes, type, lastModified });
}

/** A blob as a file of this name. @param {Blob} blob @param {string} name */
export function renamedFile(blob, name) {
  const lastModified = isFile(blob) ? modified(blob) : floor(host.now());
  return new File(INTERNAL, name, { bytes: blobBytes(blob), type: blobType(blob), lastModified });
}
