// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response(new ReadableStream({ pull() { for (;;); } }));
  },
};
