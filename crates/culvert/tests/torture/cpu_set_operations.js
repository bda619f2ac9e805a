// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const a = new Set(Array.from({ length: 1e4 }, (_, i) => i));
    for (;;) a.union(new Set([1])).intersection(a);
  },
};
