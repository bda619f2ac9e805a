// Expected: exception
export default {
  fetch(request, env, ctx) {
    return new Response(String(new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('x')));
  },
};
