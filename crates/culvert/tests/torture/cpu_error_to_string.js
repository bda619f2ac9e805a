// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const error = new Error('x');
    Object.defineProperty(error, 'message', { get() { for (;;); } });
    throw error;
  },
};
