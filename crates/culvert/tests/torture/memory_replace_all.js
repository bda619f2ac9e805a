// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    let text = 'xx';
    for (;;) text = text.replaceAll('x', 'xxxx');
  },
};
