// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return Response.json({ toJSON() { for (;;); } });
  },
};
