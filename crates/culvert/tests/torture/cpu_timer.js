// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Promise(() => setTimeout(() => { for (;;); }, 1));
  },
};
