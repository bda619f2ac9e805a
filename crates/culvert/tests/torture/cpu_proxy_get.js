// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const proxy = new Proxy({}, { get() { for (;;); } });
    return new Response(proxy.body);
  },
};
