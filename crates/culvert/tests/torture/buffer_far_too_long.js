// Expected: exception
export default {
  fetch(request, env, ctx) {
    return new Response(new Uint8Array(2 ** 36));
  },
};
