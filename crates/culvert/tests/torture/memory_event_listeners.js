// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) {
      const target = new EventTarget();
      target.addEventListener('x', () => target);
      keep.push(target);
    }
  },
};
