// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (let i = 0; ; i++) keep[i * 1000] = i;
  },
};
