/** `node:_stream_transform`, by which old packages know it. */
export { Transform as default } from "./stream.js";
