// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    let array = [1];
    for (;;) array = array.flatMap((x) => [x, x]);
  },
};
