// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response(String('a' in new Proxy({}, { has() { for (;;); } })));
  },
};
