// Expected: ok
Promise.prototype.then = () => {
  throw new Error('then was called');
};
globalThis.Promise = undefined;

export default {
  fetch(request, env, ctx) {
    return new Response('x');
  },
};
