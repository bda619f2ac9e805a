// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    class Endless {
      static {
        for (;;);
      }
    }
    return new Response(Endless.name);
  },
};
