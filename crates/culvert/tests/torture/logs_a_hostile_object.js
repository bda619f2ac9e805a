// Expected: ok
export default {
  fetch(request, env, ctx) {
    console.log(new Proxy({}, { get() { throw new Error('get'); }, ownKeys() { throw new Error('keys'); } }));
    return new Response('x');
  },
};
