// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    const wait = async () => await new Promise(() => {});
    for (;;) keep.push(wait());
  },
};
