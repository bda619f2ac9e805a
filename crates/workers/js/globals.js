/** What is small, and the list of all globals. */
import { AbortController, AbortSignal } from "./abort.js";
import { ScheduledController } from "./background_events.js";
import { Blob, File } from "./blob.js";
import { console } from "./console.js";
import { DOMException, QuotaExceededError } from "./dom_exception.js";
import { TextDecoder, TextEncoder } from "./encoding.js";
import { CustomEvent, Event, EventTarget } from "./events.js";
import { ExecutionContext } from "./execution_context.js";
import { fetch } from "./fetch.js";
import { Fetcher } from "./fetcher.js";
import { FormData } from "./form_data.js";
import { globalTarget } from "./global_target.js";
import { Headers } from "./headers.js";
import host from "./host_object.js";
import { FixedLengthStream, IdentityTransformStream } from "./identity_stream.js";
import { loadCaches, loadCompression, loadCrypto, loadEventSource, loadHtmlRewriter, loadMessageChannel, loadUrlPattern } from "./lazy.js";
import { reportException, requireInvocation } from "./invocation.js";
import { CloseEvent, ErrorEvent, MessageEvent, PromiseRejectionEvent } from "./message_events.js";
import {
  Map,
  TypeError,
  apply,
  arrayIndexOf,
  defineProperty,
  isView,
  mapGet,
  mapSet,
  objectKeys,
  promiseResolve,
  promiseThen,
  typedArrayByteLength,
  typedArrayBuffer,
  typedArrayByteOffset,
  typedArrayName,
  typedArraySet,
  Uint8Array,
} from "./primordials.js";
import { ByteLengthQueuingStrategy, CountQueuingStrategy } from "./queuing_strategies.js";
import { ReadableByteStreamController, ReadableStreamBYOBRequest } from "./readable_byte_controller.js";
import { ReadableStreamDefaultController } from "./readable_default.js";
import { ReadableStream, ReadableStreamBYOBReader, ReadableStreamDefaultReader } from "./readable_stream.js";
import { Request } from "./request.js";
import { Response } from "./response.js";
import "./stream_transfer.js";
import { structuredClone } from "./structured_clone.js";
import { TextDecoderStream, TextEncoderStream } from "./text_streams.js";
import { Scheduler, clearInterval, clearTimeout, scheduler, setInterval, setTimeout } from "./timers.js";
import { TransformStream, TransformStreamDefaultController } from "./transform_stream.js";
import { URL } from "./url.js";
import { URLSearchParams } from "./url_search_params.js";
import { INTERNAL, defineInterface, illegalConstructor, requireArguments, toDOMString, toFunction } from "./webidl.js";
import { WebSocket, WebSocketPair } from "./websocket.js";
import "./websocket_client.js";
import { WritableStream, WritableStreamDefaultController, WritableStreamDefaultWriter } from "./writable_stream.js";

// === what is loaded when it is asked for ===

/** @type {Map<() => any, any>} */
const loadedGroups = new Map();

/** What a function of `lazy.js` gives, which runs once. @template T @param {() => T} load @returns {T} */
function loaded(load) {
  let group = mapGet(loadedGroups, load);
  if (group === undefined) {
    group = load();
    mapSet(loadedGroups, load, group);
  }
  return group;
}

/** Globals that appear when they are looked at. @param {() => any} load @param {string[]} names */
function installLazily(load, names) {
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    const replace = (/** @type {any} */ value) => {
      defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
      return value;
    };
    defineProperty(globalThis, name, { get: () => replace(loaded(load)[name]), set: replace, enumerable: false, configurable: true });
  }
}

// === crypto ===

const INTEGER_ARRAYS = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
];

class Crypto {
  #self = true;

  /** @param {any} key */
  constructor(key = undefined) {
    if (key !== INTERNAL) illegalConstructor();
  }

  /** @param {any} array */
  getRandomValues(array) {
    void this.#self;
    requireArguments(arguments.length, 1, "Crypto.getRandomValues");
    const name = typedArrayName(array);
    if (name === undefined || arrayIndexOf(INTEGER_ARRAYS, name) < 0) {
      if (!isView(array)) throw new TypeError("Crypto.getRandomValues: the argument is not an ArrayBufferView.");
      throw new DOMException("Crypto.getRandomValues: the argument is not an integer typed array.", "TypeMismatchError");
    }
    const length = typedArrayByteLength(array);
    if (length > 65536) {
      throw new QuotaExceededError(`getRandomValues() only accepts buffers of size <= 64K but provided ${length} bytes.`);
    }
    requireInvocation();
    typedArraySet(new Uint8Array(typedArrayBuffer(array), typedArrayByteOffset(array), length), host.randomBytes(length));
    return array;
  }

  randomUUID() {
    void this.#self;
    requireInvocation();
    return host.randomUuid();
  }

  get subtle() {
    void this.#self;
    return loaded(loadCrypto).subtle;
  }

  get DigestStream() {
    void this.#self;
    return loaded(loadCrypto).DigestStream;
  }
}
defineInterface(Crypto);

// === performance ===

class Performance extends EventTarget {
  #timeOrigin = host.now();

  /** @param {any} key */
  constructor(key = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    super();
  }

  now() {
    return host.now() - this.#timeOrigin;
  }

  get timeOrigin() {
    return this.#timeOrigin;
  }

  toJSON() {
    return { timeOrigin: this.#timeOrigin };
  }
}
defineInterface(Performance);

// === navigator ===

class Navigator {
  #self = true;

  /** @param {any} key */
  constructor(key = undefined) {
    if (key !== INTERNAL) illegalConstructor();
  }

  get userAgent() {
    void this.#self;
    return "Cloudflare-Workers";
  }
}
defineInterface(Navigator);

// === functions ===

/** @param {any} data */
function atob(data) {
  requireArguments(arguments.length, 1, "atob");
  const decoded = host.atob(toDOMString(data));
  if (decoded === undefined) {
    throw new DOMException("atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to two terminal '=' signs when the input data length is divisible by 4 are allowed.)", "InvalidCharacterError");
  }
  return decoded;
}

/** @param {any} data */
function btoa(data) {
  requireArguments(arguments.length, 1, "btoa");
  const encoded = host.btoa(toDOMString(data));
  if (encoded === undefined) {
    throw new DOMException("btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.", "InvalidCharacterError");
  }
  return encoded;
}

/** @param {any} callback */
function queueMicrotask(callback) {
  requireArguments(arguments.length, 1, "queueMicrotask");
  toFunction(callback, "queueMicrotask: the callback");
  promiseThen(promiseResolve(undefined), () => {
    try {
      apply(callback, undefined, []);
    } catch (error) {
      reportException(error);
    }
  });
}

/** @param {any} error */
function reportError(error) {
  requireArguments(arguments.length, 1, "reportError");
  reportException(error);
}

// === all of them ===

const interfaces = {
  AbortController,
  AbortSignal,
  Blob,
  ByteLengthQueuingStrategy,
  CloseEvent,
  CountQueuingStrategy,
  Crypto,
  CustomEvent,
  DOMException,
  ErrorEvent,
  Event,
  EventTarget,
  ExecutionContext,
  Fetcher,
  File,
  FixedLengthStream,
  FormData,
  Headers,
  IdentityTransformStream,
  MessageEvent,
  Navigator,
  Performance,
  PromiseRejectionEvent,
  QuotaExceededError,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  Request,
  Response,
  ScheduledController,
  Scheduler,
  TextDecoder,
  TextDecoderStream,
  TextEncoder,
  TextEncoderStream,
  TransformStream,
  TransformStreamDefaultController,
  URL,
  URLSearchParams,
  WebSocket,
  WebSocketPair,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
  console,
};

const operations = {
  atob,
  btoa,
  clearInterval,
  clearTimeout,
  fetch,
  queueMicrotask,
  reportError,
  setInterval,
  setTimeout,
  structuredClone,
};

/** Attributes of the global: replaceable, as code that brings its own expects. */
const attributes = {
  crypto: new Crypto(INTERNAL),
  navigator: new Navigator(INTERNAL),
  performance: new Performance(INTERNAL),
  scheduler,
  self: globalThis,
};

/** @param {Record<string, any>} values @param {boolean} enumerable */
function install(values, enumerable) {
  const names = objectKeys(values);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    defineProperty(globalThis, name, { value: values[name], writable: true, enumerable, configurable: true });
  }
}

install(interfaces, false);
install(operations, true);
install(globalTarget, true);
install(attributes, true);
installLazily(loadCaches, ["Cache", "CacheStorage", "caches"]);
installLazily(loadCompression, ["CompressionStream", "DecompressionStream"]);
installLazily(loadCrypto, ["CryptoKey", "SubtleCrypto"]);
installLazily(loadEventSource, ["EventSource"]);
installLazily(loadHtmlRewriter, ["HTMLRewriter"]);
installLazily(loadMessageChannel, ["MessageChannel", "MessagePort"]);
installLazily(loadUrlPattern, ["URLPattern"]);
