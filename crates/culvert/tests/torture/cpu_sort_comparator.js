// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return Response.json([3, 1, 2].sort(() => { for (;;); }));
  },
};
