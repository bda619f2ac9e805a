// Expected: exception
export default {
  fetch(request, env, ctx) {
    function* deeper() {
      yield* deeper();
    }
    return new Response(deeper().next().value);
  },
};
