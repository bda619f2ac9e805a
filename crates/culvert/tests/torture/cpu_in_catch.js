// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    for (;;) {
      try {
        for (;;);
      } catch {
        continue;
      }
    }
  },
};
