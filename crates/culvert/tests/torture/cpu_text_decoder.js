// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const bytes = new Uint8Array(1 << 20).fill(65);
    for (;;) new TextDecoder().decode(bytes);
  },
};
