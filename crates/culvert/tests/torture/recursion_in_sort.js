// Expected: exception
export default {
  fetch(request, env, ctx) {
    const sort = () => [2, 1].sort(sort);
    return new Response(sort());
  },
};
