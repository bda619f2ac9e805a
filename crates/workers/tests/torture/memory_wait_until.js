// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    for (;;) ctx.waitUntil(new Promise(() => {}));
  },
};
