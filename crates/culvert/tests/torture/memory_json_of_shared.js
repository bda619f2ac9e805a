// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    let value = ['x'.repeat(1000)];
    for (let i = 0; i < 25; i++) value = [value, value];
    return new Response(JSON.stringify(value));
  },
};
