// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(Symbol(`number ${keep.length}`));
  },
};
