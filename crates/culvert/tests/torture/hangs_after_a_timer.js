// Expected: exception
export default {
  async fetch(request, env, ctx) {
    await new Promise((done) => setTimeout(done, 10));
    await new Promise(() => {});
  },
};
