// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    let proxy = {};
    for (;;) proxy = new Proxy(proxy, { get: () => keep });
  },
};
