// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const headers = new Headers();
    for (let i = 0; ; i++) headers.set(`x-${i}`, 'x'.repeat(1e5) + i);
  },
};
