// Bodies with a Content-Encoding.
export default {
  async fetch(request, env) {
    const packed = () => env.API.fetch("http://private/gzip");
    switch (new URL(request.url).pathname) {
      case "/read":
        return new Response(await (await packed()).text());
      case "/untouched":
        return packed();
      case "/rewritten": {
        const response = await packed();
        return new Response(response.body.pipeThrough(new TransformStream()), response);
      }
      case "/plain":
        return new Response((await packed()).body);
      case "/brotli":
        return new Response("hello ".repeat(100), { headers: { "content-encoding": "br", "content-length": "600" } });
      case "/manual":
        return new Response(new Uint8Array([1, 2, 3]), { headers: { "content-encoding": "gzip" }, encodeBody: "manual" });
      case "/broken": {
        const response = await env.API.fetch("http://private/not-gzip");
        return new Response(await response.text().catch((error) => String(error)));
      }
    }
  },
};
