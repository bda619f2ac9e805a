// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    for (;;);
  },
};
