// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return Response.json(JSON.parse('[1]', () => { for (;;); }));
  },
};
