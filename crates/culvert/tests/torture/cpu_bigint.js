// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    let n = 3n;
    for (;;) n = (n * n) % (2n ** 8192n - 1n);
  },
};
