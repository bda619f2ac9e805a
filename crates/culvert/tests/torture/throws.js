// Expected: exception
export default {
  fetch(request, env, ctx) {
    throw new Error('thrown');
  },
};
