// Expected: exceededCpu
const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));

export default {
  fetch(request, env, ctx) {
    return new Response(`${fib(60)}`);
  },
};
