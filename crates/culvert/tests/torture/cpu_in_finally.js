// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    try {
      throw new Error('first');
    } finally {
      for (;;);
    }
  },
};
