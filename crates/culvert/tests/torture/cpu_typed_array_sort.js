// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const numbers = new Float64Array(1e5).map(Math.random);
    for (;;) numbers.slice().sort();
  },
};
