// Expected: exceededMemory
Error.stackTraceLimit = Infinity;
const keep = [];

export default {
  fetch(request, env, ctx) {
    const deep = (n) => (n === 0 ? keep.push(new Error('deep').stack) : deep(n - 1));
    for (;;) deep(100);
  },
};
