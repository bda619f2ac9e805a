// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    for (;;) new WeakRef({}).deref();
  },
};
