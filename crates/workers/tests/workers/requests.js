// What a handler sees of its request and how it answers.
export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/json":
        return Response.json({ got: await request.json(), type: request.headers.get("content-type") }, { status: 201 });
      case "/seen":
        return Response.json({ method: request.method, url: request.url, query: url.searchParams.get("q"), headers: [...request.headers] });
      case "/headers": {
        const headers = new Headers({ "x-latin": "caf\u00e9" });
        headers.append("set-cookie", "a=1");
        headers.append("set-cookie", "b=2");
        return new Response(null, { status: 204, headers });
      }
      case "/env":
        return Response.json({ plain: env.PLAIN, secret: env.SECRET, json: env.JSON.deep[1], api: typeof env.API.fetch, keys: Object.keys(env).sort() });
      case "/text":
        return new Response((await request.text()).toUpperCase());
      case "/bytes":
        return new Response(new Uint8Array(await request.arrayBuffer()).map((byte) => byte ^ 1));
      case "/clone": {
        const copy = request.clone();
        return new Response((await request.text()) + (await copy.text()));
      }
      case "/random":
        return Response.json([crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(4))]]);
      case "/encodings":
        return Response.json([
          atob("aGk="),
          btoa("hi"),
          new TextDecoder("shift_jis").decode(new Uint8Array([0x83, 0x65])),
          structuredClone({ map: new Map([[1, 2]]) }).map.get(1),
          new URL("../x?y#z", "http://user@h:81/a/b").href,
        ]);
      case "/timer": {
        const before = Date.now();
        await new Promise((resolve) => setTimeout(resolve, 20));
        return new Response(String(Date.now() - before >= 19));
      }
      case "/order": {
        const seen = [];
        setTimeout(() => seen.push("late"), 5);
        setTimeout(() => seen.push("soon"), 0);
        queueMicrotask(() => seen.push("micro"));
        const cancelled = setTimeout(() => seen.push("never"), 1);
        clearTimeout(cancelled);
        await scheduler.wait(15);
        return new Response(seen.join());
      }
    }
    return new Response("no such path", { status: 404 });
  },
};
