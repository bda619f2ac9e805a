// Expected: exceededMemory
const keep = [];
const map = new WeakMap();

export default {
  fetch(request, env, ctx) {
    for (;;) {
      const key = {};
      keep.push(key);
      map.set(key, new Array(100).fill(key));
    }
  },
};
