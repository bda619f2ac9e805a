// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    const text = JSON.stringify(new Array(1e6).fill(1));
    for (;;) keep.push(JSON.parse(text));
  },
};
