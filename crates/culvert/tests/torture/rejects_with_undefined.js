// Expected: exception
export default {
  fetch(request, env, ctx) {
    return Promise.reject();
  },
};
