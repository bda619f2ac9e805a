// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const { writable } = new TransformStream({ start() { for (;;); } });
    return new Response(`${writable}`);
  },
};
