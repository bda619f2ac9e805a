/** scrypt (RFC 7914), whose mixing is quick enough in the language; PBKDF2 is the runtime's. */
import { host } from "./internal_host.js";

/** Salsa20/8 of 16 words, in place. @param {Uint32Array} block */
function salsa(block) {
  const x = new Uint32Array(block);
  const step = (/** @type {number} */ to, /** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ bits) => {
    const sum = (/** @type {number} */ (x[a]) + /** @type {number} */ (x[b])) | 0;
    x[to] = /** @type {number} */ (x[to]) ^ ((sum << bits) | (sum >>> (32 - bits)));
  };
  const quarter = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ c, /** @type {number} */ d) => {
    step(b, a, d, 7);
    step(c, b, a, 9);
    step(d, c, b, 13);
    step(a, d, c, 18);
  };
  for (let round = 0; round < 8; round += 2) {
    quarter(0, 4, 8, 12);
    quarter(5, 9, 13, 1);
    quarter(10, 14, 2, 6);
    quarter(15, 3, 7, 11);
    quarter(0, 1, 2, 3);
    quarter(5, 6, 7, 4);
    quarter(10, 11, 8, 9);
    quarter(15, 12, 13, 14);
  }
  for (let i = 0; i < 16; i++) block[i] = /** @type {number} */ (block[i]) + /** @type {number} */ (x[i]);
}

/** scryptBlockMix: `2 * size` blocks of 16 words. @param {Uint32Array} input @param {Uint32Array} output @param {number} size */
function mixBlocks(input, output, size) {
  const count = 2 * size;
  const x = input.slice((count - 1) * 16);
  for (let i = 0; i < count; i++) {
    for (let word = 0; word < 16; word++) x[word] = /** @type {number} */ (x[word]) ^ /** @type {number} */ (input[i * 16 + word]);
    salsa(x);
    output.set(x, ((i >> 1) + (i & 1) * size) * 16);
  }
}

/**
 * @param {Uint8Array} password @param {Uint8Array} salt @param {number} cost N @param {number} size r @param {number} parallel p
 * @param {number} length of the key in bytes
 * @returns {Uint8Array}
 */
export function scryptOf(password, salt, cost, size, parallel, length) {
  const words = 32 * size;
  const blocks = host.pbkdf2("SHA-256", password, salt, 1, parallel * words * 4);
  const all = new Uint32Array(blocks.buffer.slice(blocks.byteOffset, blocks.byteOffset + blocks.byteLength));
  const kept = new Uint32Array(cost * words);
  const next = new Uint32Array(words);
  for (let lane = 0; lane < parallel; lane++) {
    const x = all.subarray(lane * words, (lane + 1) * words);
    for (let i = 0; i < cost; i++) {
      kept.set(x, i * words);
      mixBlocks(x, next, size);
      x.set(next);
    }
    for (let i = 0; i < cost; i++) {
      const from = (/** @type {number} */ (x[words - 16]) & (cost - 1)) * words;
      for (let word = 0; word < words; word++) x[word] = /** @type {number} */ (x[word]) ^ /** @type {number} */ (kept[from + word]);
      mixBlocks(x, next, size);
      x.set(next);
    }
  }
  return host.pbkdf2("SHA-256", password, new Uint8Array(all.buffer), 1, length);
}
