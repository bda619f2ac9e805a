// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const pieces = [...'x'.repeat(1e9)];
    return new Response(`${pieces.length}`);
  },
};
