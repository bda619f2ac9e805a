// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    let f = () => 0;
    for (;;) f = f.bind(null).bind.bind(f)(null);
  },
};
