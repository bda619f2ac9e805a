// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(('x'.repeat(1 << 20) + keep.length).split('').join('-'));
  },
};
