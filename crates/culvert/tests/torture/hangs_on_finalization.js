// Expected: exception
export default {
  fetch(request, env, ctx) {
    const registry = new FinalizationRegistry(() => {});
    registry.register({}, 1);
    return new Promise(() => {});
  },
};
