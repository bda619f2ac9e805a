// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new Float64Array(1 << 17).fill(1));
  },
};
