// Expected: exception
export default {
  fetch(request, env, ctx) {
    const error = new Error('circle');
    error.cause = error;
    throw error;
  },
};
