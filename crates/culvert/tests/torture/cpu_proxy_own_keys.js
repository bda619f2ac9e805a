// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response(Object.keys(new Proxy({}, { ownKeys() { for (;;); } })).join());
  },
};
