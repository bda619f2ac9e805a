// Expected: exception
export default {
  fetch(request, env, ctx) {
    for (let i = 0; ; i++) setTimeout(() => i, 1e8);
  },
};
