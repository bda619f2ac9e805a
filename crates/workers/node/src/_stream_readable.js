/** `node:_stream_readable`, by which old packages know it. */
export { Readable as default } from "./stream.js";
