// Requests to private services and to the public network.
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/hello": {
        const response = await env.API.fetch("http://private/hello?x=1");
        return Response.json({ status: response.status, from: response.headers.get("x-from"), text: await response.text() });
      }
      case "/public":
        return fetch("https://public.example/hello");
      case "/redirect": {
        const response = await env.API.fetch("http://private/redirect");
        return Response.json({ status: response.status, redirected: response.redirected, url: response.url });
      }
      case "/refused":
        try {
          await env.API.fetch("http://private/refused");
          return new Response("not refused");
        } catch (error) {
          const { code, category, phase, detail, retryable } = error;
          return Response.json({ text: String(error), isError: error instanceof Error, code, category, phase, detail, retryable });
        }
      case "/many": {
        const count = Number(url.searchParams.get("count"));
        let failed = "";
        let done = 0;
        for (let i = 0; i < count; i++) {
          try {
            await (await env.API.fetch("http://private/hello")).text();
            done += 1;
          } catch (error) {
            failed = error.message;
          }
        }
        return Response.json({ done, failed });
      }
      case "/seven": {
        // Six wait for their heads; the seventh waits for one of them.
        const all = Array.from({ length: 7 }, () => env.API.fetch("http://private/gate"));
        return Response.json((await Promise.all(all)).map((response) => response.status));
      }
      case "/gate":
        await env.API.fetch("http://private/gate");
        return new Response("through");
      case "/across": {
        // A body of one invocation is not for another.
        if (globalThis.kept === undefined) {
          globalThis.kept = await env.API.fetch("http://private/hello");
          await env.API.fetch("http://private/gate");
          return new Response("kept");
        }
        return new Response(await globalThis.kept.text());
      }
    }
    return new Response("no such path", { status: 404 });
  },
};
