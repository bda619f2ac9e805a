// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    function* endless() {
      for (;;) yield* [1, 2, 3];
    }
    for (const x of endless()) void x;
  },
};
