// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (let i = 0n; ; i++) keep.push((1n << 100000n) + i);
  },
};
