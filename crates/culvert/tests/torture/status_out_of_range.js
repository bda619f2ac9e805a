// Expected: exception
export default {
  fetch(request, env, ctx) {
    return new Response('x', { status: 999 });
  },
};
