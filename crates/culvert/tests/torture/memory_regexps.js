// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(new RegExp(`a${keep.length}b+`));
  },
};
