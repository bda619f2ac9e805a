// Work after the answer, and visitors who leave.
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/wait-until":
        console.log("before");
        ctx.waitUntil(
          (async () => {
            await env.API.fetch("http://private/gate");
            console.log("after");
          })(),
        );
        return new Response("answered");
      case "/wait-until-rejects":
        ctx.waitUntil(scheduler.wait(1).then(() => Promise.reject(new Error("in the background"))));
        return new Response("answered");
      case "/gone":
        // The subrequest does not look at the signal.
        await env.API.fetch("http://private/never");
        return new Response("never");
      case "/gone-signal":
        request.signal.addEventListener("abort", () => console.log("aborted", String(request.signal.reason?.name)));
        await env.API.fetch("http://private/never", { signal: request.signal });
        return new Response("never");
      case "/gone-wait-until":
        ctx.waitUntil(env.API.fetch("http://private/gate").then(() => console.log("went on")));
        await env.API.fetch("http://private/never");
        return new Response("never");
      case "/console":
        console.log("one", 2, { three: [4] });
        console.error(new Error("five"));
        console.warn(null, undefined);
        console.info("six");
        console.debug(true);
        return new Response("logged");
      case "/chatter":
        for (let line = 0; line < 1000; line++) console.log(line, "x".repeat(1000));
        return new Response("logged");
      case "/chatter-loop":
        console.log("last words");
        for (;;);
    }
    return new Response("no such path", { status: 404 });
  },
};
