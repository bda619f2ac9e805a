// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const text = 'e\u0301'.repeat(1e5);
    for (;;) text.normalize('NFC');
  },
};
