// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    for (let i = 0; ; i++) {
      const held = new Array(1000).fill(i);
      setTimeout(() => held, 1e8);
    }
  },
};
