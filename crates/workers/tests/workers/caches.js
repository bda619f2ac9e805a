const url = "https://cache.example/a";

const paths = {
  async "/all"() {
    const cache = caches.default;
    const found = [await cache.match(url)];
    const stored = new Response("kept", { headers: { "cache-control": "max-age=60", etag: '"1"', "content-type": "text/plain" } });
    await cache.put(`${url}#fragment`, stored);
    const hit = await cache.match(new Request(url));
    found.push([hit.status, await hit.text(), hit.headers.get("cf-cache-status"), hit.headers.get("content-type"), hit.url]);
    found.push((await cache.match(new Request(url, { headers: { "if-none-match": '"1"' } }))).status);
    const part = await cache.match(new Request(url, { headers: { range: "bytes=1-2" } }));
    found.push([part.status, await part.text(), part.headers.get("content-range")]);
    const other = await caches.open("other");
    found.push(await other.match(url), await cache.match(new Request(url, { method: "POST", body: "x" })));
    found.push((await cache.match(new Request(url, { method: "HEAD" }), { ignoreMethod: true }))?.status);
    await other.put(url, new Response(new Blob(["streamed"]).stream()));
    found.push(await (await other.match(url)).text());
    found.push(await cache.delete(url), await cache.delete(url), await cache.match(url));
    await cache.put(url, new Response("never", { headers: { "cache-control": "no-store" } }));
    found.push(await cache.match(url));
    return found.map((item) => item ?? null);
  },

  async "/refused"() {
    const name = async (promise) => promise.then(() => "no error", (error) => `${error.name}: ${error.message}`);
    return [
      await name(caches.default.put(new Request(url, { method: "POST" }), new Response("x"))),
      await name(caches.default.put(url, new Response("x", { status: 206 }))),
      await name(caches.default.put(url, new Response("x", { headers: { vary: "*" } }))),
      await name(caches.default.put(url)),
      await name(caches.default.put(url, new Response(new Uint8Array(17 * 1024 * 1024)))),
    ];
  },

  async "/put"() {
    await caches.default.put(url, new Response("of another invocation"));
    return "put";
  },
  async "/match"() {
    return (await caches.default.match(url))?.text() ?? null;
  },

  // A response of the network goes to the visitor and into the cache.
  async "/through"(env, ctx) {
    const response = await env.API.fetch("http://api.internal/hello");
    const { promise, resolve } = Promise.withResolvers();
    ctx.waitUntil(caches.default.put(url, response.clone()).then(resolve));
    const text = await response.text();
    await promise;
    return [text, await (await caches.default.match(url)).text()];
  },
};

export default {
  async fetch(request, env, ctx) {
    return Response.json(await paths[new URL(request.url).pathname](env, ctx));
  },
};
