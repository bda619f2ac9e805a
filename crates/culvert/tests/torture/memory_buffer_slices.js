// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    const buffer = new ArrayBuffer(1 << 20);
    for (;;) keep.push(buffer.slice(1));
  },
};
