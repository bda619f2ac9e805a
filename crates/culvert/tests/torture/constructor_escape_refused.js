// Expected: ok
export default {
  fetch(request, env, ctx) {
    try {
      [].constructor.constructor('return this')();
    } catch (error) {
      return new Response(error.name);
    }
    throw new Error('code was made of text');
  },
};
