// Expected: ok
export default {
  fetch(request, env, ctx) {
    ctx.waitUntil(Promise.reject(new Error('too late')));
    return new Response('answered');
  },
};
