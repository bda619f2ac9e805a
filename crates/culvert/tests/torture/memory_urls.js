// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new URL(`https://host-${keep.length}.example/${'x'.repeat(100)}`));
  },
};
