// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    let pulled = 0;
    return new Response(new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode('first'));
        if (++pulled > 3) for (;;);
      },
    }));
  },
};
