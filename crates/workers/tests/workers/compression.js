const collect = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());

/** The error of reading a stream to its end. */
async function failure(stream) {
  try {
    await collect(stream);
    return "no error";
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/round-trip") {
      const data = new Uint8Array(300_000).map((_, i) => (i * i) >> 3);
      const results = {};
      for (const format of ["gzip", "deflate", "deflate-raw"]) {
        const packed = await collect(new Blob([data]).stream().pipeThrough(new CompressionStream(format)));
        const back = await collect(new Blob([packed]).stream().pipeThrough(new DecompressionStream(format)));
        results[format] = [packed.length < data.length, back.length === data.length && back.every((byte, i) => byte === data[i])];
        results[`${format} cut`] = await failure(new Blob([packed.slice(0, -3)]).stream().pipeThrough(new DecompressionStream(format)));
        results[`${format} more`] = await failure(new Blob([packed, "x"]).stream().pipeThrough(new DecompressionStream(format)));
      }
      results.known = await new Response(new Blob([Uint8Array.fromBase64("H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==")]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
      return Response.json(results);
    }
    // A body that decompresses to a thousand times its length, taken a piece at a time.
    if (pathname === "/bomb") {
      const zeros = new ReadableStream({
        pull(controller) {
          if ((this.count = (this.count ?? 0) + 1) > 1024) controller.close();
          else controller.enqueue(new Uint8Array(65536));
        },
      });
      const packed = await collect(zeros.pipeThrough(new CompressionStream("gzip")));
      let length = 0;
      let largest = 0;
      for await (const piece of new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))) {
        length += piece.length;
        largest = Math.max(largest, piece.length);
      }
      return Response.json({ packed: packed.length, length, largest });
    }
    // What the visitor sends, compressed on its way back.
    return new Response(request.body.pipeThrough(new CompressionStream("gzip")));
  },
};
