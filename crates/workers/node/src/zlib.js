/** `node:zlib` (https://nodejs.org/api/zlib.html) for gzip, deflate and Brotli; dictionaries and Zstandard say that they are not there. */
import { Buffer } from "./buffer.js";
import { coded, invalidArgType, requireFunction, requireInteger, unavailable } from "./errors.js";
import { later } from "./internal_callback.js";
import { host } from "./internal_host.js";
import { Transform } from "./stream.js";
import { isAnyArrayBuffer, isArrayBufferView } from "./util_types.js";

export const constants = Object.freeze({
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5,
  Z_OK: 0, Z_STREAM_END: 1, Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
  Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1,
  Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2, Z_RLE: 3, Z_FIXED: 4, Z_DEFAULT_STRATEGY: 0,
  Z_MIN_WINDOWBITS: 8, Z_MAX_WINDOWBITS: 15, Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64, Z_MAX_CHUNK: Infinity, Z_DEFAULT_CHUNK: 16384,
  Z_MIN_MEMLEVEL: 1, Z_MAX_MEMLEVEL: 9, Z_DEFAULT_MEMLEVEL: 8, Z_MIN_LEVEL: -1, Z_MAX_LEVEL: 9, Z_DEFAULT_LEVEL: -1,
  DEFLATE: 1, INFLATE: 2, GZIP: 3, GUNZIP: 4, DEFLATERAW: 5, INFLATERAW: 6, UNZIP: 7, BROTLI_DECODE: 8, BROTLI_ENCODE: 9,
  BROTLI_OPERATION_PROCESS: 0, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2, BROTLI_OPERATION_EMIT_METADATA: 3,
  BROTLI_PARAM_MODE: 0, BROTLI_MODE_GENERIC: 0, BROTLI_MODE_TEXT: 1, BROTLI_MODE_FONT: 2, BROTLI_DEFAULT_MODE: 0,
  BROTLI_PARAM_QUALITY: 1, BROTLI_MIN_QUALITY: 0, BROTLI_MAX_QUALITY: 11, BROTLI_DEFAULT_QUALITY: 11,
  BROTLI_PARAM_LGWIN: 2, BROTLI_MIN_WINDOW_BITS: 10, BROTLI_MAX_WINDOW_BITS: 24, BROTLI_LARGE_MAX_WINDOW_BITS: 30, BROTLI_DEFAULT_WINDOW: 22,
  BROTLI_PARAM_LGBLOCK: 3, BROTLI_MIN_INPUT_BLOCK_BITS: 16, BROTLI_MAX_INPUT_BLOCK_BITS: 24, BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING: 4,
  BROTLI_PARAM_SIZE_HINT: 5, BROTLI_PARAM_LARGE_WINDOW: 6, BROTLI_PARAM_NPOSTFIX: 7, BROTLI_PARAM_NDIRECT: 8,
  BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION: 0, BROTLI_DECODER_PARAM_LARGE_WINDOW: 1,
});
export const codes = Object.freeze({
  Z_OK: 0, Z_STREAM_END: 1, Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
});

/** @typedef {{level?: number, finishFlush?: number, maxOutputLength?: number, dictionary?: any, params?: Record<number, number>}} Options */
/** @typedef {"gzip" | "deflate" | "deflate-raw" | "brotli"} Format */

/** @param {any} error what the runtime threw @param {Format} format */
function failure(error, format) {
  if (error instanceof Error && /** @type {any} */ (error).code !== undefined) return error;
  const early = `${error?.message}`.includes("too early");
  if (format === "brotli") {
    const code = early ? "Z_BUF_ERROR" : "ERR__ERROR_FORMAT_PADDING_1";
    return Object.assign(coded(Error, code, early ? "unexpected end of file" : "Decompression failed"), { errno: early ? codes.Z_BUF_ERROR : -2 });
  }
  const code = early ? "Z_BUF_ERROR" : "Z_DATA_ERROR";
  return Object.assign(coded(Error, code, early ? "unexpected end of file" : "incorrect header check"), { errno: codes[code] });
}

/** A coder of the runtime. */
class Coder {
  #id;
  #format;
  /** @param {Format} format @param {boolean} decompress @param {Options} options */
  constructor(format, decompress, options) {
    if (options.dictionary !== undefined) throw unavailable("zlib `dictionary` option's");
    if (options.level !== undefined) requireInteger(options.level, "options.level", -1, 9);
    const chosen = format === "brotli" ? (options.params?.[constants.BROTLI_PARAM_QUALITY] ?? constants.BROTLI_DEFAULT_QUALITY) : options.level;
    const level = chosen === undefined || chosen === -1 ? undefined : chosen;
    this.#format = format;
    this.#id = /** @type {number} */ (host.compressorCreate(format, decompress, level));
    if (this.#id === undefined) throw unavailable(`zlib format ${format}'s`);
  }

  /** All output that there is for some input; without input, for its end. @param {Uint8Array | undefined} input @param {(piece: any) => void} take */
  run(input, take) {
    try {
      host.compressorGive(this.#id, input);
      for (;;) {
        const piece = host.compressorTake(this.#id);
        if (piece === undefined) return;
        take(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
      }
    } catch (error) {
      throw failure(error, this.#format);
    }
  }

  drop() {
    host.compressorDrop(this.#id);
  }
}

/** @param {any} data */
function bytesOf(data) {
  if (typeof data === "string") return Buffer.from(data);
  if (isArrayBufferView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (isAnyArrayBuffer(data)) return new Uint8Array(data);
  throw invalidArgType("buffer", "of type string or an instance of Buffer, TypedArray, DataView, or ArrayBuffer", data);
}

/** What `Unzip` reads: it tells by the first byte. @param {Uint8Array} data @returns {Format} */
const formatOf = (data) => (data[0] === 0x1f ? "gzip" : "deflate");

/** @param {Format | undefined} format @param {boolean} decompress @param {any} data @param {Options} [options] */
function whole(format, decompress, data, options = {}) {
  const bytes = bytesOf(data);
  const coder = new Coder(format ?? formatOf(bytes), decompress, options);
  /** @type {any[]} */
  const pieces = [];
  let length = 0;
  const take = (/** @type {any} */ piece) => {
    length += piece.length;
    if (options.maxOutputLength !== undefined && length > options.maxOutputLength) {
      throw coded(RangeError, "ERR_BUFFER_TOO_LARGE", `Cannot create a Buffer larger than ${options.maxOutputLength} bytes`);
    }
    pieces.push(piece);
  };
  try {
    coder.run(bytes, take);
    // With Z_SYNC_FLUSH, what is cut off is given as far as it goes.
    if (!(decompress && options.finishFlush === constants.Z_SYNC_FLUSH)) coder.run(undefined, take);
  } finally {
    coder.drop();
  }
  return Buffer.concat(pieces, length);
}

/** The stream of a format. */
class ZlibBase extends Transform {
  /** @type {Coder | undefined} */
  #coder;
  #format;
  #decompress;
  #options;
  bytesWritten = 0;

  /** @param {Format | undefined} format @param {boolean} decompress @param {any} [options] */
  constructor(format, decompress, options = {}) {
    super(options);
    this.#format = format;
    this.#decompress = decompress;
    this.#options = options;
    if (format !== undefined) this.#coder = new Coder(format, decompress, options);
  }

  /** @param {any} chunk @param {any} _encoding @param {(error?: any) => void} done */
  _transform(chunk, _encoding, done) {
    try {
      const bytes = bytesOf(chunk);
      this.bytesWritten += bytes.byteLength;
      this.#coder ??= new Coder(this.#format ?? formatOf(bytes), this.#decompress, this.#options);
      this.#coder.run(bytes, (piece) => this.push(piece));
      done();
    } catch (error) {
      done(error);
    }
  }

  /** @param {(error?: any) => void} done */
  _flush(done) {
    try {
      if (!(this.#decompress && this.#options.finishFlush === constants.Z_SYNC_FLUSH)) this.#coder?.run(undefined, (piece) => this.push(piece));
      done();
    } catch (error) {
      done(error);
    }
  }

  /** @param {any} error @param {(error: any) => void} done */
  _destroy(error, done) {
    this.#coder?.drop();
    done(error);
  }

  /** Calls back when what was written has been taken. The coder ends no block for it. @param {any} [kind] @param {any} [done] */
  flush(kind, done = kind) {
    if (typeof done !== "function") return;
    if (this.writableEnded) {
      if (this.writableFinished) queueMicrotask(done);
      else this.once("finish", done);
    } else {
      this.write(Buffer.alloc(0), () => done());
    }
  }

  /** The level of a coder is that which it began with. @param {number} _level @param {number} _strategy @param {() => void} done */
  params(_level, _strategy, done) {
    this.flush(done);
  }

  /** Begins anew. */
  reset() {
    this.#coder?.drop();
    this.#coder = this.#format === undefined ? undefined : new Coder(this.#format, this.#decompress, this.#options);
  }

  /** @param {() => void} [done] */
  close(done) {
    if (done !== undefined) this.once("close", done);
    this.destroy();
  }
}

/** @param {string} name @param {Format | undefined} format @param {boolean} decompress @returns {any} */
function streamClass(name, format, decompress) {
  const Class = class extends ZlibBase {
    /** @param {any} [options] */
    constructor(options) {
      super(format, decompress, options);
    }
  };
  Object.defineProperty(Class, "name", { value: name });
  // Callable without `new`, as in Node.js.
  return new Proxy(Class, { apply: (target, _self, values) => Reflect.construct(target, values) });
}

export const Gzip = streamClass("Gzip", "gzip", false);
export const Gunzip = streamClass("Gunzip", "gzip", true);
export const Deflate = streamClass("Deflate", "deflate", false);
export const Inflate = streamClass("Inflate", "deflate", true);
export const DeflateRaw = streamClass("DeflateRaw", "deflate-raw", false);
export const InflateRaw = streamClass("InflateRaw", "deflate-raw", true);
export const Unzip = streamClass("Unzip", undefined, true);
export const BrotliCompress = streamClass("BrotliCompress", "brotli", false);
export const BrotliDecompress = streamClass("BrotliDecompress", "brotli", true);

/** @param {any} [options] */
export const createGzip = (options) => new Gzip(options);
/** @param {any} [options] */
export const createGunzip = (options) => new Gunzip(options);
/** @param {any} [options] */
export const createDeflate = (options) => new Deflate(options);
/** @param {any} [options] */
export const createInflate = (options) => new Inflate(options);
/** @param {any} [options] */
export const createDeflateRaw = (options) => new DeflateRaw(options);
/** @param {any} [options] */
export const createInflateRaw = (options) => new InflateRaw(options);
/** @param {any} [options] */
export const createUnzip = (options) => new Unzip(options);
/** @param {any} [options] */
export const createBrotliCompress = (options) => new BrotliCompress(options);
/** @param {any} [options] */
export const createBrotliDecompress = (options) => new BrotliDecompress(options);

/** @param {Format | undefined} format @param {boolean} decompress */
const sync = (format, decompress) => (/** @type {any} */ data, /** @type {Options} */ options) => whole(format, decompress, data, options);
export const gzipSync = sync("gzip", false);
export const gunzipSync = sync("gzip", true);
export const deflateSync = sync("deflate", false);
export const inflateSync = sync("deflate", true);
export const deflateRawSync = sync("deflate-raw", false);
export const inflateRawSync = sync("deflate-raw", true);
export const unzipSync = sync(undefined, true);
export const brotliCompressSync = sync("brotli", false);
export const brotliDecompressSync = sync("brotli", true);

/** @param {(data: any, options: any) => any} work */
const withCallback = (work) => (/** @type {any} */ data, /** @type {any} */ options, /** @type {any} */ callback = options) => {
  requireFunction(callback, "callback");
  later(callback, () => work(data, options === callback ? undefined : options));
};
export const gzip = withCallback(gzipSync);
export const gunzip = withCallback(gunzipSync);
export const deflate = withCallback(deflateSync);
export const inflate = withCallback(inflateSync);
export const deflateRaw = withCallback(deflateRawSync);
export const inflateRaw = withCallback(inflateRawSync);
export const unzip = withCallback(unzipSync);

export const brotliCompress = withCallback(brotliCompressSync);
export const brotliDecompress = withCallback(brotliDecompressSync);

const CRC = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});
/** @param {any} data @param {number} [before] */
export function crc32(data, before = 0) {
  let value = ~before >>> 0;
  for (const byte of bytesOf(data)) value = (/** @type {number} */ (CRC[(value ^ byte) & 0xff]) ^ (value >>> 8)) >>> 0;
  return ~value >>> 0;
}

export default {
  BrotliCompress, BrotliDecompress, Deflate, DeflateRaw, Gunzip, Gzip, Inflate, InflateRaw, Unzip, brotliCompress, brotliCompressSync, brotliDecompress, brotliDecompressSync, codes,
  constants, crc32, createBrotliCompress, createBrotliDecompress, createDeflate, createDeflateRaw, createGunzip, createGzip, createInflate,
  createInflateRaw, createUnzip, deflate, deflateRaw, deflateRawSync, deflateSync, gunzip, gunzipSync, gzip, gzipSync, inflate, inflateRaw,
  inflateRawSync, inflateSync, unzip, unzipSync,
};
