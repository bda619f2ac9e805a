// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) {
      const buffer = new ArrayBuffer(1, { maxByteLength: 1 << 22 });
      buffer.resize(1 << 22);
      new Uint8Array(buffer).fill(1);
      keep.push(buffer);
    }
  },
};
