// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response([...{ [Symbol.iterator]: () => ({ next: () => ({ value: undefined, done: false, get done() { for (;;); } }) }) }].join());
  },
};
