// Expected: exception
export default {
  fetch(request, env, ctx) {
    throw Symbol('thrown');
  },
};
