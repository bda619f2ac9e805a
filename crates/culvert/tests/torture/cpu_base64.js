// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const text = 'x'.repeat(1 << 20);
    for (;;) atob(btoa(text));
  },
};
