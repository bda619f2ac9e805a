// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new TextEncoder().encode('x'.repeat(1e5)));
  },
};
