// Expected: exceededCpu
export default {
  async fetch(request, env, ctx) {
    for (;;) await import('cloudflare:workers');
  },
};
