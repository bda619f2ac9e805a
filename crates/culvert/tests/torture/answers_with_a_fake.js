// Expected: exception
export default {
  fetch(request, env, ctx) {
    return Object.create(Response.prototype);
  },
};
