// Expected: ok
export default {
  fetch(request, env, ctx) {
    Array.prototype[Symbol.iterator] = function* () {
      throw new Error('patched');
    };
    return new Response('x', { headers: { a: 'b' } });
  },
};
