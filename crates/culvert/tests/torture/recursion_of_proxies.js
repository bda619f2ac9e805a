// Expected: exception
export default {
  fetch(request, env, ctx) {
    let proxy = {};
    for (let i = 0; i < 1e5; i++) proxy = new Proxy(proxy, {});
    return new Response(proxy.x);
  },
};
