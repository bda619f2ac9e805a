// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    let value = Array.from({ length: 1000 }, (_, i) => ({ i }));
    for (;;) value = JSON.parse(JSON.stringify(value));
  },
};
