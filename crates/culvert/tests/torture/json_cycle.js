// Expected: exception
export default {
  fetch(request, env, ctx) {
    const cycle = {};
    cycle.cycle = cycle;
    return Response.json(cycle);
  },
};
