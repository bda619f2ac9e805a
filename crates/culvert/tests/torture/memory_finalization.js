// Expected: exceededMemory
const registry = new FinalizationRegistry(() => { for (;;); });

export default {
  fetch(request, env, ctx) {
    for (;;) registry.register({}, 1);
  },
};
