/** Pipelines of `node:stream` with `node:zlib`, from and to web streams. */
import { createHash } from "node:crypto";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { text } from "node:stream/consumers";
import { createGunzip, createGzip, createBrotliCompress, createBrotliDecompress, constants } from "node:zlib";

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const body = () => Readable.fromWeb(request.body as never);
    const answer = (stream: Readable) => new Response(Readable.toWeb(stream) as ReadableStream);
    switch (pathname) {
      case "/gzip":
        return new Response(Readable.toWeb(body().pipe(createGzip({ level: 9 }))) as ReadableStream, { headers: { "content-encoding": "gzip" }, encodeBody: "manual" });
      case "/gunzip":
        return answer(body().pipe(createGunzip()));
      case "/upper": {
        const upper = new Transform({ transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString().toUpperCase()) });
        return new Response(await text(body().pipe(upper)));
      }
      case "/round": {
        const hash = createHash("sha256");
        let length = 0;
        await pipeline(
          body(),
          createGzip(),
          createGunzip(),
          createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
          createBrotliDecompress(),
          async function* (source: AsyncIterable<Buffer>) {
            for await (const chunk of source) {
              length += chunk.length;
              yield chunk;
            }
          },
          hash,
        );
        return Response.json({ length, sha256: hash.digest("hex") });
      }
      case "/broken": {
        const error = await pipeline(body(), createGunzip(), async (source: AsyncIterable<Buffer>) => void (await text(source))).catch((error) => error);
        return Response.json({ code: error.code, message: error.message });
      }
      default:
        return new Response("no such page", { status: 404 });
    }
  },
} satisfies ExportedHandler;
