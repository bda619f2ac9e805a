// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    return Response.json(Array.from({ length: 1e9 }, (_, i) => i % 2).length);
  },
};
