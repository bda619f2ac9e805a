// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new Blob(['x'.repeat(1e5), `${keep.length}`]));
  },
};
