// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const text = 'a,'.repeat(1e5);
    for (;;) text.split(',').join(';');
  },
};
