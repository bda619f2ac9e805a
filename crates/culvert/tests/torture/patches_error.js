// Expected: ok
export default {
  fetch(request, env, ctx) {
    Error.prototype.toString = () => {
      throw new Error('patched');
    };
    Object.defineProperty(Error.prototype, 'name', { get() { throw new TypeError('patched'); } });
    console.log(new Error('x'));
    return new Response('x');
  },
};
