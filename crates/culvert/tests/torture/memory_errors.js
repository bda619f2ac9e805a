// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new Error('x'.repeat(1000) + keep.length));
  },
};
