// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    return new Response(encodeURIComponent('\u2028'.repeat(1e8)));
  },
};
