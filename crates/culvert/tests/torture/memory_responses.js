// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new Response('x'.repeat(1000), { headers: { a: `${keep.length}` } }));
  },
};
