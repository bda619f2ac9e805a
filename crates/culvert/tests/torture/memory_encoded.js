// Expected: exceededMemory, exception
const keep = [];
const encoder = new TextEncoder();

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(encoder.encode('x'.repeat(1 << 20)));
  },
};
