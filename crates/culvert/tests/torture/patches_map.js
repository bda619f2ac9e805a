// Expected: ok
export default {
  async fetch(request, env, ctx) {
    const get = Map.prototype.get;
    Map.prototype.get = Map.prototype.set = Map.prototype.delete = () => {
      throw new Error('patched');
    };
    await new Promise((done) => setTimeout(done, 1));
    return new Response(typeof get);
  },
};
