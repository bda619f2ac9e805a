// Expected: exception
export default {
  fetch(request, env, ctx) {
    return new Response(new Uint8Array(7e9).fill(1));
  },
};
