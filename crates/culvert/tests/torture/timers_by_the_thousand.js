// Expected: ok
export default {
  fetch(request, env, ctx) {
    for (let i = 0; i < 10000; i++) clearTimeout(setTimeout(() => {}, 1e6));
    return new Response('x');
  },
};
