// Expected: ok
export default {
  fetch(request, env, ctx) {
    for (let i = 0; i < 5000; i++) console.log('x'.repeat(1000));
    return new Response('x');
  },
};
