// Expected: exceededCpu
class Endless {
  constructor() {
    for (;;);
  }
}

export default {
  fetch(request, env, ctx) {
    return new Response(new Endless());
  },
};
