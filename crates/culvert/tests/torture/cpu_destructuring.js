// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const endless = { [Symbol.iterator]: () => ({ next: () => ({ done: false }), return() { for (;;); } }) };
    const [first] = endless;
    return new Response(first);
  },
};
