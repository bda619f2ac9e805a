// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response(`${{ [Symbol.toPrimitive]() { for (;;); } }}`);
  },
};
