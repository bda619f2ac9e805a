// Expected: exception
export default {
  fetch(request, env, ctx) {
    const revive = () => JSON.parse('1', revive);
    return new Response(revive());
  },
};
