// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new Request('https://host.example/', { method: 'POST', headers: { a: 'b' }, body: 'x'.repeat(1000) }));
  },
};
