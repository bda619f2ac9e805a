// Expected: ok
export default {
  async fetch(request, env, ctx) {
    Object.prototype.then = undefined;
    Object.defineProperty(Object.prototype, 'then', { get() { return undefined; } });
    await new Promise((done) => setTimeout(done, 1));
    return new Response('x');
  },
};
