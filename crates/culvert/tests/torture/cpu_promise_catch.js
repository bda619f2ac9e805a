// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Promise(() => {
      for (;;);
    }).catch(() => new Response('caught'));
  },
};
