// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const numbers = Array.from({ length: 1e5 }, (_, i) => (i * 7919) % 100003);
    for (;;) numbers.slice().sort((a, b) => a - b);
  },
};
