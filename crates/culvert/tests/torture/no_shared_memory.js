// Expected: ok
export default {
  fetch(request, env, ctx) {
    if (typeof SharedArrayBuffer !== 'undefined') throw new Error('shared memory');
    return new Response('x');
  },
};
