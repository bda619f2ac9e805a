// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new ArrayBuffer(1 << 16).transfer(1 << 20));
  },
};
