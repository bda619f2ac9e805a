// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const text = new Array(1000).fill('x'.repeat(1e6)).join('');
    return new Response(`${text.length}`);
  },
};
