// Expected: ok
export default {
  fetch(request, env, ctx) {
    for (let i = 0; i < 5000; i++) Promise.reject(new Error(`${i}`));
    return new Response('x');
  },
};
