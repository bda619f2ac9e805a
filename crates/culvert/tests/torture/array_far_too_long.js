// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    return new Response(String(new Array(3e8).fill({}).length));
  },
};
