// Expected: exception
export default {
  fetch(request, env, ctx) {
    throw new Proxy({}, { get() { throw new Error('inner'); } });
  },
};
