// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(AbortSignal.any([new AbortController().signal]));
  },
};
