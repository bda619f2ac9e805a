// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) {
      try {
        for (;;) keep.push(new Uint8Array(1 << 20).fill(1));
      } catch {
        continue;
      }
    }
  },
};
