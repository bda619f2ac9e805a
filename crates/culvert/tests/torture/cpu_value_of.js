// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response(String({ valueOf() { for (;;); } } * 2));
  },
};
