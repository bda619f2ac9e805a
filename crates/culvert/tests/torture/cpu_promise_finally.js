// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return Promise.reject(new Error('no')).finally(() => {
      for (;;);
    });
  },
};
