// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) {
      const memory = new WebAssembly.Memory({ initial: 160 });
      new Uint8Array(memory.buffer).fill(1);
      keep.push(memory);
    }
  },
};
