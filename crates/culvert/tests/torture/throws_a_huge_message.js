// Expected: exception
export default {
  fetch(request, env, ctx) {
    throw new Error('x'.repeat(1 << 22));
  },
};
