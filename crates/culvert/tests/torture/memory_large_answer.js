// Expected: ok
export default {
  fetch(request, env, ctx) {
    return new Response('x'.repeat(1.5e7));
  },
};
