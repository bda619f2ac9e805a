// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    return new Response(String(/^(a+)+$/.test('a'.repeat(40) + 'b')));
  },
};
