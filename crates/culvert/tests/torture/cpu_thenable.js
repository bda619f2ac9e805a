// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return { then() { for (;;); } };
  },
};
