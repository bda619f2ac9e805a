// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    const value = new Uint8Array(1 << 20).fill(1);
    for (;;) keep.push(structuredClone(value));
  },
};
