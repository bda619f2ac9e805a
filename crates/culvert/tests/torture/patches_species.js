// Expected: ok
export default {
  async fetch(request, env, ctx) {
    Object.defineProperty(Promise, Symbol.species, { value: class extends Promise {} });
    Object.defineProperty(Array, Symbol.species, { value: class extends Array {} });
    await Promise.all([1, 2].map(async (x) => x));
    return new Response('x');
  },
};
