// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response('abc'.replace(/b/, () => { for (;;); }));
  },
};
