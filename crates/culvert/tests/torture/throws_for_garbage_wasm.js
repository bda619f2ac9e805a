// Expected: exception
export default {
  fetch(request, env, ctx) {
    new WebAssembly.Module(new Uint8Array(1000).fill(7));
  },
};
