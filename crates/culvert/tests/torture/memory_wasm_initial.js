// Expected: exception
export default {
  fetch(request, env, ctx) {
    new WebAssembly.Memory({ initial: 30000 });
  },
};
