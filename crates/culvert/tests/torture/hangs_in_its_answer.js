// Expected: exception
export default {
  fetch(request, env, ctx) {
    return new Response(new ReadableStream({ pull: () => new Promise(() => {}) }));
  },
};
