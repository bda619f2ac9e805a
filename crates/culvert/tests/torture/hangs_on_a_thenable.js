// Expected: exception
export default {
  async fetch(request, env, ctx) {
    await { then() {} };
  },
};
