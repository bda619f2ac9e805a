// Expected: exceededMemory, exception
export default {
  fetch(request, env, ctx) {
    return new Response(new ReadableStream({
      start(controller) {
        for (;;) controller.enqueue(new Uint8Array(1 << 20).fill(1));
      },
    }));
  },
};
