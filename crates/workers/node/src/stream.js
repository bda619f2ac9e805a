/** `node:stream` (https://nodejs.org/api/stream.html): the `readable-stream` package, which is Node's own, with the ways to and from web streams. */
import streams from "readable-stream/lib/stream.js";
import { duplexFromWeb, duplexToWeb, readableFromWeb, readableToWeb, writableFromWeb, writableToWeb } from "./stream_adapters.js";

export const {
  Duplex, PassThrough, Readable, Stream, Transform, Writable, addAbortSignal, compose, destroy, finished, isDestroyed, isDisturbed, isErrored,
  isReadable, pipeline, promises,
} = /** @type {any} */ (streams);
/** @param {any} stream */
export const isWritable = (stream) => stream?.writable ?? null;

let highWaterMark = 65536;
let highWaterMarkObjects = 16;
/** @param {boolean} objects */
export const getDefaultHighWaterMark = (objects) => (objects ? highWaterMarkObjects : highWaterMark);
/** @param {boolean} objects @param {number} value */
export function setDefaultHighWaterMark(objects, value) {
  if (objects) highWaterMarkObjects = value;
  else highWaterMark = value;
}

Readable.fromWeb = (/** @type {any} */ stream, /** @type {any} */ options) => readableFromWeb(Readable, stream, options);
Readable.toWeb = readableToWeb;
Writable.fromWeb = (/** @type {any} */ stream, /** @type {any} */ options) => writableFromWeb(Writable, stream, options);
Writable.toWeb = writableToWeb;
Duplex.fromWeb = (/** @type {any} */ pair, /** @type {any} */ options) => duplexFromWeb(Duplex, pair, options);
Duplex.toWeb = duplexToWeb;
Object.assign(/** @type {any} */ (streams), { getDefaultHighWaterMark, isWritable, setDefaultHighWaterMark });

export default streams;
