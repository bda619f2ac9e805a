// Expected: ok
for (const name of ['push', 'slice', 'map', 'join', 'splice', 'indexOf']) {
  Array.prototype[name] = () => {
    throw new Error(`${name} was called`);
  };
}

export default {
  fetch(request, env, ctx) {
    return new Response('x', { headers: { 'x-a': 'b' } });
  },
};
