// Expected: ok
export default {
  fetch(request, env, ctx) {
    try {
      eval('1');
    } catch (error) {
      return new Response(error.name);
    }
    throw new Error('eval ran');
  },
};
