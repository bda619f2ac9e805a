// Expected: exception
export default {
  fetch(request, env, ctx) {
    return Response.json(JSON.parse('['.repeat(1e6)));
  },
};
