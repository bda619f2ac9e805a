// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const again = () => {
      try {
        for (;;);
      } finally {
        again();
      }
    };
    again();
  },
};
