// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    Reflect.construct(Date, [], new Proxy(Date, { get() { for (;;); } }));
  },
};
