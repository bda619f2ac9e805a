// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    for (let i = 0; ; i++) new Date(i * 1e5).toISOString();
  },
};
