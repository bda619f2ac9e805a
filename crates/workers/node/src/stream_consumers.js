/** `node:stream/consumers`. */
import { Buffer } from "./buffer.js";

/** @param {AsyncIterable<any>} stream */
export async function buffer(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}
/** @param {AsyncIterable<any>} stream */
export async function arrayBuffer(stream) {
  const bytes = await buffer(stream);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}
/** @param {AsyncIterable<any>} stream */
export async function text(stream) {
  const decoder = new TextDecoder();
  let all = "";
  for await (const chunk of stream) all += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  return all + decoder.decode();
}
/** @param {AsyncIterable<any>} stream */
export const json = async (stream) => JSON.parse(await text(stream));
/** @param {AsyncIterable<any>} stream */
export const blob = async (stream) => new Blob([await arrayBuffer(stream)]);
/** @param {AsyncIterable<any>} stream */
export const bytes = async (stream) => new Uint8Array(await arrayBuffer(stream));

export default { arrayBuffer, blob, buffer, bytes, json, text };
