// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    try {
      for (;;);
    } finally {
      return new Response('the stop was caught');
    }
  },
};
