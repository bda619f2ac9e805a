// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const pieces = 'x'.repeat(5e8).split('');
    return new Response(`${pieces.length}`);
  },
};
