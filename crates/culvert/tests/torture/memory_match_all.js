// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push([...'ab'.repeat(1e4).matchAll(/(a)(b)/g)]);
  },
};
