// Expected: ok
for (const name of Object.getOwnPropertyNames(globalThis)) {
  const value = globalThis[name];
  if (typeof value === 'function') Object.freeze(value.prototype ?? {});
}

export default {
  fetch(request, env, ctx) {
    return new Response('x', { headers: { 'x-a': 'b' } });
  },
};
