/** Node's streams as web streams and the other way, with back-pressure (https://nodejs.org/api/webstreams.html). */
import { finished } from "readable-stream/lib/stream.js";
import { Buffer } from "./buffer.js";
import { abortError } from "./internal_abort.js";

/** @param {any} Readable @param {ReadableStream} stream @param {any} [options] */
export function readableFromWeb(Readable, stream, options = {}) {
  const reader = stream.getReader();
  let over = false;
  const readable = new Readable({
    highWaterMark: options.highWaterMark,
    encoding: options.encoding,
    objectMode: options.objectMode ?? false,
    signal: options.signal,
    /** @this {any} */
    read() {
      reader.read().then(
        ({ value, done }) => {
          if (done) {
            over = true;
            readable.push(null);
          } else {
            readable.push(readable.readableObjectMode ? value : toBuffer(value));
          }
        },
        (error) => {
          over = true;
          readable.destroy(error);
        },
      );
    },
    /** @param {any} error @param {(error: any) => void} done */
    destroy(error, done) {
      if (over) done(error);
      else reader.cancel(error ?? undefined).then(() => done(error), () => done(error));
    },
  });
  reader.closed.then(undefined, (error) => readable.destroy(error));
  return readable;
}

/** @param {any} chunk */
function toBuffer(chunk) {
  if (typeof chunk === "string" || !ArrayBuffer.isView(chunk)) return chunk;
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** @param {any} readable @param {{strategy?: any}} [options] */
export function readableToWeb(readable, options = {}) {
  const objects = readable.readableObjectMode;
  const strategy = options.strategy ?? (objects ? new CountQueuingStrategy({ highWaterMark: 1 }) : new ByteLengthQueuingStrategy({ highWaterMark: readable.readableHighWaterMark }));
  /** @type {any} */
  let controller;
  let over = false;
  finished(readable, { writable: false }, (/** @type {any} */ error) => {
    if (over) return;
    over = true;
    if (error) controller.error(error);
    else controller.close();
  });
  readable.on("data", (/** @type {any} */ chunk) => {
    if (over) return;
    controller.enqueue(Buffer.isBuffer(chunk) && !objects ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : chunk);
    if (controller.desiredSize <= 0) readable.pause();
  });
  readable.pause();
  return new ReadableStream(
    {
      start(/** @type {any} */ given) {
        controller = given;
      },
      pull() {
        readable.resume();
      },
      cancel(/** @type {any} */ reason) {
        over = true;
        readable.destroy(reason instanceof Error ? reason : undefined);
      },
    },
    strategy,
  );
}

/** @param {any} Writable @param {WritableStream} stream @param {any} [options] */
export function writableFromWeb(Writable, stream, options = {}) {
  const writer = stream.getWriter();
  let over = false;
  const writable = new Writable({
    highWaterMark: options.highWaterMark,
    objectMode: options.objectMode ?? false,
    decodeStrings: options.decodeStrings ?? true,
    signal: options.signal,
    /** @param {any} chunk @param {any} _encoding @param {(error?: any) => void} done */
    write(chunk, _encoding, done) {
      const plain = Buffer.isBuffer(chunk) ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : chunk;
      writer.ready.then(() => writer.write(plain)).then(() => done(), done);
    },
    /** @param {(error?: any) => void} done */
    final(done) {
      over = true;
      writer.close().then(() => done(), done);
    },
    /** @param {any} error @param {(error: any) => void} done */
    destroy(error, done) {
      if (over) done(error);
      else writer.abort(error ?? abortError(AbortSignal.abort())).then(() => done(error), () => done(error));
    },
  });
  writer.closed.then(undefined, (error) => {
    over = true;
    writable.destroy(error);
  });
  return writable;
}

/** @param {any} writable */
export function writableToWeb(writable) {
  /** @type {any} */
  let controller;
  let over = false;
  finished(writable, { readable: false }, (/** @type {any} */ error) => {
    if (over) return;
    over = true;
    controller.error(error ?? new TypeError("The stream has ended."));
  });
  const drained = () => new Promise((resolve) => writable.once("drain", resolve));
  return new WritableStream(
    {
      start(given) {
        controller = given;
      },
      write(chunk) {
        if (writable.writableNeedDrain || !writable.write(chunk)) return /** @type {Promise<void>} */ (drained());
        return undefined;
      },
      close() {
        over = true;
        return new Promise((resolve, reject) => {
          finished(writable, { readable: false }, (/** @type {any} */ error) => (error ? reject(error) : resolve(undefined)));
          writable.end();
        });
      },
      abort(reason) {
        over = true;
        writable.destroy(reason instanceof Error ? reason : undefined);
      },
    },
    new CountQueuingStrategy({ highWaterMark: 1 }),
  );
}

/** @param {any} Duplex @param {{readable: ReadableStream, writable: WritableStream}} pair @param {any} [options] */
export function duplexFromWeb(Duplex, pair, options = {}) {
  const reader = pair.readable.getReader();
  const writer = pair.writable.getWriter();
  let readOver = false;
  let writeOver = false;
  const duplex = new Duplex({
    ...options,
    read() {
      reader.read().then(
        ({ value, done }) => {
          if (done) readOver = true;
          duplex.push(done ? null : duplex.readableObjectMode ? value : toBuffer(value));
        },
        (error) => {
          readOver = true;
          duplex.destroy(error);
        },
      );
    },
    write(/** @type {any} */ chunk, /** @type {any} */ _encoding, /** @type {(error?: any) => void} */ done) {
      const plain = Buffer.isBuffer(chunk) ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : chunk;
      writer.ready.then(() => writer.write(plain)).then(() => done(), done);
    },
    final(/** @type {(error?: any) => void} */ done) {
      writeOver = true;
      writer.close().then(() => done(), done);
    },
    destroy(/** @type {any} */ error, /** @type {(error: any) => void} */ done) {
      const ends = [];
      if (!readOver) ends.push(reader.cancel(error ?? undefined));
      if (!writeOver) ends.push(writer.abort(error ?? undefined));
      Promise.allSettled(ends).then(() => done(error));
    },
  });
  return duplex;
}

/** @param {any} duplex */
export const duplexToWeb = (duplex) => ({ readable: readableToWeb(duplex), writable: writableToWeb(duplex) });
