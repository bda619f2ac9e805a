/** `node:_stream_passthrough`, by which old packages know it. */
export { PassThrough as default } from "./stream.js";
