// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const many = new Array(1e4).fill(1);
    for (;;) Math.max(...many);
  },
};
