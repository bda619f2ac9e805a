// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const target = new EventTarget();
    for (;;) target.addEventListener('x', () => target);
  },
};
