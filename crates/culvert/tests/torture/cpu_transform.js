// Expected: exceededCpu
export default {
  async fetch(request, env, ctx) {
    const { readable, writable } = new TransformStream({ transform() { for (;;); } });
    writable.getWriter().write('x');
    await readable.getReader().read();
    return new Response('x');
  },
};
