// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const proxy = new Proxy({}, { getPrototypeOf() { for (;;); } });
    return new Response(String(proxy instanceof Map));
  },
};
