// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const list = [1];
    list.constructor = { get [Symbol.species]() { for (;;); } };
    return new Response(list.map(String).join());
  },
};
