// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const text = 'ab'.repeat(1e5);
    for (;;) text.replace(/(a)(b)/g, '$2$1');
  },
};
