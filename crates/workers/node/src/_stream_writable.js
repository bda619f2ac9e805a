/** `node:_stream_writable`, by which old packages know it. */
export { Writable as default } from "./stream.js";
