// Expected: ok
export default {
  async fetch(request, env, ctx) {
    await new Promise((done) => {
      setTimeout(() => {
        done();
        throw new Error('in a timer');
      });
    });
    return new Response('answered');
  },
};
