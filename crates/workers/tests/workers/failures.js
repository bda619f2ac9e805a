// Every way to fail, by path.
function thrower() {
  throw new RangeError("out of range");
}

class Unserializable extends Error {
  get name() {
    return "CustomError";
  }
}

const forever = () => {
  for (;;);
};

const paths = {
  "/throw": () => thrower(),
  "/reject": () => Promise.reject(new TypeError("rejected")),
  "/reject-late": async () => {
    await scheduler.wait(1);
    thrower();
  },
  "/string": () => {
    throw "just a string";
  },
  "/undefined": () => {
    throw undefined;
  },
  "/custom": () => {
    throw new Unserializable("custom");
  },
  "/nothing": () => undefined,
  "/number": async () => 5,
  "/hung": () => new Promise(() => {}),
  "/hung-late": async () => {
    await scheduler.wait(1);
    await new Promise(() => {});
  },
  "/unhandled": () => {
    Promise.reject(new Error("nobody looked"));
    return new Response("fine");
  },
  "/handled": () => {
    const promise = Promise.reject(new Error("looked at"));
    queueMicrotask(() => promise.catch(() => {}));
    return new Response("fine");
  },
  "/used": async () => {
    const response = new Response("twice");
    await response.text();
    return response;
  },
  "/proxy-error": (env) => env.API.fetch("http://private/refused"),
  "/recursion": () => {
    const deeper = () => deeper() + 1;
    return deeper();
  },
  "/loop": forever,
  "/loop-caught": () => {
    try {
      forever();
    } catch {
      return new Response("caught");
    } finally {
      return new Response("finally");
    }
  },
  "/loop-microtasks": () => {
    const again = () => Promise.resolve().then(again);
    return again();
  },
  "/loop-timer": async () => {
    setTimeout(forever, 1);
    await scheduler.wait(60_000);
  },
  "/loop-stream": () => new Response(new ReadableStream({ pull: forever })),
  "/loop-getter": () => new Response("", { get status() { return forever(); } }),
  "/loop-regexp": () => new Response(String(/^(a+)+$/.test("a".repeat(40) + "b"))),
  "/loop-after-answer": (env, ctx) => {
    ctx.waitUntil(scheduler.wait(1).then(forever));
    return new Response("answered");
  },
  "/spin": async (env, ctx, url) => {
    const until = Number(url.searchParams.get("ms"));
    const rounds = Number(url.searchParams.get("rounds") ?? 1);
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      while (performance.now() - start < until);
      await scheduler.wait(1);
    }
    return new Response("spun");
  },
};

export default {
  fetch(request, env, ctx) {
    const url = new URL(request.url);
    const path = paths[url.pathname];
    return path === undefined ? new Response("no such path", { status: 404 }) : path(env, ctx, url);
  },
};
