// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (let i = 0; ; i++) keep.push(new Date(i * 1e5).toISOString());
  },
};
