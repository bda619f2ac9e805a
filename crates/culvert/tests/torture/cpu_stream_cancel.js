// Expected: exceededCpu
export default {
  async fetch(request, env, ctx) {
    return new ReadableStream({ cancel() { for (;;); } }).cancel();
  },
};
