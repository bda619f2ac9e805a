// Expected: exception
export default {
  fetch(request, env, ctx) {
    const replace = () => 'x'.replace('x', replace);
    return new Response(replace());
  },
};
