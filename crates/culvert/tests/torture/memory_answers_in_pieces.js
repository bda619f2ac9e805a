// Expected: ok
export default {
  fetch(request, env, ctx) {
    let left = 500;
    return new Response(new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(new Uint8Array(1 << 20).fill(120));
        else controller.close();
      },
    }));
  },
};
