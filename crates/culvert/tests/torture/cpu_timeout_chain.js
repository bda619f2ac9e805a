// Expected: exceededCpu
export default {
  async fetch(request, env, ctx) {
    await new Promise(() => {
      const again = () => {
        for (let i = 0; i < 1e6; i++);
        setTimeout(again);
      };
      again();
    });
  },
};
