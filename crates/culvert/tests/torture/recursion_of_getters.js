// Expected: exception
export default {
  fetch(request, env, ctx) {
    const object = { get x() { return this.x; } };
    return new Response(object.x);
  },
};
