/** `node:_stream_duplex`, by which old packages know it. */
export { Duplex as default } from "./stream.js";
