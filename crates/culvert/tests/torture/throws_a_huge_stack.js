// Expected: exception
export default {
  fetch(request, env, ctx) {
    const error = new Error('x');
    error.stack = 'at nowhere\n'.repeat(1e6);
    throw error;
  },
};
