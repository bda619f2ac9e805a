// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response(new URLSearchParams({ [Symbol.iterator]() { return { next: () => ({ value: ['a', 'b'], get done() { for (;;); } }) }; } }));
  },
};
