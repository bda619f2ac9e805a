// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    console.log({ toJSON() { for (;;); } });
    for (;;);
  },
};
