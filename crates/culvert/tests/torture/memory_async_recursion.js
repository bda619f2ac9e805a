// Expected: exceededMemory
const down = async (n) => (await null, down(n + 1));

export default {
  fetch(request, env, ctx) {
    return down(0);
  },
};
