// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    ctx.waitUntil((async () => {
      await null;
      for (;;);
    })());
    return new Response('answered first');
  },
};
