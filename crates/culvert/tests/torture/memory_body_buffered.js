// Expected: exceededMemory
export default {
  async fetch(request, env, ctx) {
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 20).fill(1)) });
    return new Response(await new Response(endless).arrayBuffer());
  },
};
