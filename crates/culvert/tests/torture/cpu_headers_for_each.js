// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    new Headers({ a: 'b' }).forEach(() => {
      for (;;);
    });
  },
};
