// Expected: exceededMemory
const keep = [];

export default {
  async fetch(request, env, ctx) {
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 20).fill(1)) });
    const [read, unread] = endless.tee();
    keep.push(unread);
    for await (const chunk of read) void chunk;
  },
};
