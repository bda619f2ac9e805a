// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const controller = new AbortController();
    controller.signal.onabort = () => { for (;;); };
    controller.abort();
    return new Response('x');
  },
};
