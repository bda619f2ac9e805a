// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return Promise.resolve().then(() => {
      for (;;);
    });
  },
};
