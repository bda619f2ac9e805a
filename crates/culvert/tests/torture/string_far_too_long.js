// Expected: exception
export default {
  fetch(request, env, ctx) {
    return new Response('x'.repeat(2 ** 30));
  },
};
