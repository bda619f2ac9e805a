// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    new Proxy({}, { set() { for (;;); } }).x = 1;
  },
};
