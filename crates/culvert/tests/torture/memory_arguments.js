// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    function hold() {
      keep.push(arguments);
    }
    for (;;) hold(1, 2, 3, 4, 5, 6, 7, 8);
  },
};
