// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) ctx.waitUntil(new Promise((resolve) => keep.push(resolve)));
  },
};
