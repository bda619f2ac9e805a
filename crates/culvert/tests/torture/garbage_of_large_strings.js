// Expected: ok
export default {
  fetch(request, env, ctx) {
    const text = 'x'.repeat(4e6);
    for (let i = 0; i < 100; i++) JSON.stringify(text + i);
    return new Response('done');
  },
};
