// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response('x', { headers: { *[Symbol.iterator]() { for (;;); } } });
  },
};
