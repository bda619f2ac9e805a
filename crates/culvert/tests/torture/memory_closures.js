// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    let next = () => 0;
    for (;;) {
      const previous = next;
      next = () => previous;
    }
  },
};
