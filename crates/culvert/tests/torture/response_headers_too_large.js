// Expected: exception
export default {
  fetch(request, env, ctx) {
    const headers = new Headers();
    for (let i = 0; i < 200; i++) headers.append(`x-${i}`, 'x'.repeat(1000));
    return new Response('x', { headers });
  },
};
