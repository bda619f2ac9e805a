// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const f = (a = (() => { for (;;); })()) => a;
    return new Response(f());
  },
};
