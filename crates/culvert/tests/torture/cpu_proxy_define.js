// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    Object.defineProperty(new Proxy({}, { defineProperty() { for (;;); } }), 'x', {});
  },
};
