// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    new ReadableStream({ start: (controller) => controller.enqueue(1) }, { size() { for (;;); } });
  },
};
