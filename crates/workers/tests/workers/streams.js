// Bodies that flow.
let produced = 0;

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/produced":
        return new Response(String(produced));
      case "/produce": {
        // 64 MiB, made as fast as they are taken.
        produced = 0;
        const piece = new Uint8Array(16 * 1024).fill(120);
        return new Response(
          new ReadableStream({
            pull(controller) {
              if (produced === 4096) return controller.close();
              produced += 1;
              controller.enqueue(piece);
            },
            cancel() {
              console.log("cancelled");
            },
          }, { highWaterMark: 0 }),
        );
      }
      case "/pipe":
        return new Response(request.body);
      case "/upper": {
        const decoder = new TextDecoder();
        const encoder = new TextEncoder();
        const upper = new TransformStream({
          transform(chunk, controller) {
            controller.enqueue(encoder.encode(decoder.decode(chunk, { stream: true }).toUpperCase()));
          },
        });
        return new Response(request.body.pipeThrough(upper));
      }
      case "/proxy":
        return env.API.fetch(new Request("http://private/echo", request));
      case "/pieces":
        return env.API.fetch("http://private/pieces");
      case "/endless":
        return env.API.fetch("http://private/endless");
      case "/slowly": {
        // Reads one piece, then waits for the next request.
        const response = await env.API.fetch("http://private/pieces");
        const reader = response.body.getReader();
        const { value } = await reader.read();
        await env.API.fetch("http://private/gate");
        await reader.cancel();
        return new Response(String(value.length));
      }
      case "/upload": {
        // A stream that script makes is the body of a subrequest.
        let count = 0;
        const body = new ReadableStream({
          pull(controller) {
            count += 1;
            controller.enqueue(new Uint8Array(64 * 1024));
            if (count === 64) controller.close();
          },
        });
        return env.API.fetch("http://private/collect", { method: "POST", body });
      }
      case "/error": {
        let count = 0;
        return new Response(
          new ReadableStream({
            pull(controller) {
              count += 1;
              if (count < 3) controller.enqueue(new TextEncoder().encode("piece"));
              else controller.error(new Error("the source broke"));
            },
          }),
        );
      }
      case "/stuck":
        // Nothing will ever be written.
        return new Response(new ReadableStream({}));
      case "/broken":
        return env.API.fetch("http://private/broken");
      case "/broken-text":
        try {
          return new Response(await (await env.API.fetch("http://private/broken")).text());
        } catch (error) {
          return Response.json({ message: String(error), code: error.code, phase: error.phase });
        }
      case "/fixed": {
        const { readable, writable } = new FixedLengthStream(10);
        const writer = writable.getWriter();
        ctx.waitUntil(writer.write(new TextEncoder().encode("0123456789")).then(() => writer.close()));
        return new Response(readable);
      }
      case "/big": {
        try {
          const response = await env.API.fetch("http://private/endless");
          await response.arrayBuffer();
        } catch (error) {
          return new Response(String(error));
        }
      }
    }
    return new Response("no such path", { status: 404 });
  },
};
