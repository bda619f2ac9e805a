// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response('x', { get status() { for (;;); } });
  },
};
