// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    for (;;) globalThis[`name ${Object.keys(globalThis).length}`] = new Array(1e5).fill(1.5);
  },
};
