// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Promise(() => setInterval(() => {
      for (let i = 0; i < 1e6; i++);
    }, 0));
  },
};
