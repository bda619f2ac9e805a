// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    function* one() {
      yield new Array(100);
    }
    for (;;) {
      const generator = one();
      generator.next();
      keep.push(generator);
    }
  },
};
