// Expected: ok
export default {
  fetch(request, env, ctx) {
    setInterval(() => {}, 1);
    return new Response('x');
  },
};
