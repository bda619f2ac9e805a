// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const set = new Set();
    for (let i = 0; ; i++) set.add(`${i} and more`);
  },
};
