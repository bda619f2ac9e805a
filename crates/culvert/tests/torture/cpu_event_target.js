// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const target = new EventTarget();
    target.addEventListener('x', () => target.dispatchEvent(new Event('x')));
    for (;;) {
      try {
        target.dispatchEvent(new Event('x'));
      } catch {}
    }
  },
};
