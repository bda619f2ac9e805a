// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const tag = () => { for (;;); };
    return new Response(tag`x`);
  },
};
