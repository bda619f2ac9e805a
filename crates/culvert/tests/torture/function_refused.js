// Expected: ok
export default {
  fetch(request, env, ctx) {
    try {
      new Function('return 1');
    } catch (error) {
      return new Response(error.name);
    }
    throw new Error('Function ran');
  },
};
