// Expected: ok
export default {
  fetch(request, env, ctx) {
    if (typeof SharedArrayBuffer !== 'undefined') throw new Error('shared memory');
    if (typeof Atomics === 'undefined') return new Response('none');
    try {
      Atomics.wait(new Int32Array(new ArrayBuffer(8)), 0, 0);
    } catch (error) {
      return new Response(error.name);
    }
    throw new Error('it waited');
  },
};
