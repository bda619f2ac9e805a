import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

/** Runs work over a network that answers by URL; gives what the Worker returned and what was asked. */
async function over(answers, work, options = {}) {
  let host;
  const result = await inWorker(work, {
    ...options,
    prepare(worker) {
      host = worker.host;
      host.onFetch = async (call) => {
        const answer = answers[call.url];
        if (answer === undefined) throw { name: "Error", message: `Network connection lost: ${call.url}` };
        return typeof answer === "function" ? answer(call) : answer;
      };
    },
  });
  return { result, calls: host.calls, host };
}

test("a response has its parts", async () => {
  const { result, calls } = await over(
    { "http://h/a?b": { status: 404, statusText: "Not Found", headers: ["x-a", "1"], body: "none" } },
    async () => {
      const response = await fetch(new URL("http://h/a?b#fragment"), { headers: { "X-Out": "2" } });
      return [response.status, response.statusText, response.ok, response.url, response.redirected, response.headers.get("x-a"), await response.text()];
    },
  );
  assert.deepEqual(result, [404, "Not Found", false, "http://h/a?b", false, "1", "none"]);
  assert.deepEqual([calls[0].method, calls[0].headers, calls[0].binding], ["GET", ["x-out", "2"], undefined]);
});

test("what fetch refuses, it refuses by rejecting", async () => {
  const { result, calls } = await over({}, async () => {
    const message = (...values) => fetch(...values).catch((error) => `${error.name}: ${error.message}`);
    const used = new Request("http://h/", { method: "POST", body: "x" });
    await used.text();
    return [
      await message("/relative"),
      await message("ftp://h/"),
      await message("http://h/", { method: "GET", body: "x" }),
      (await message(used)).slice(0, 28),
      await message(),
      await message("http://lost/"),
      await message("http://h/", { signal: AbortSignal.abort(new TypeError("mine")) }),
    ];
  });
  assert.deepEqual(result, [
    "TypeError: Invalid URL: /relative",
    "TypeError: Fetch API cannot load: ftp://h/",
    "TypeError: Request with a GET or HEAD method cannot have a body.",
    "TypeError: Body has already ",
    "TypeError: fetch: 1 argument required, but only 0 present.",
    "Error: Network connection lost: http://lost/",
    "TypeError: mine",
  ]);
  assert.equal(calls.length, 1);
});

test("redirects: followed, given, refused", async () => {
  const answers = {
    "http://h/1": { status: 302, headers: ["location", "/2"], body: "moved" },
    "http://h/2": { status: 301, headers: ["location", "http://other/3"] },
    "http://other/3": { body: "here" },
    "http://h/none": { status: 302 },
    "http://h/bad": { status: 302, headers: ["location", "http://[bad"] },
    "http://h/mail": { status: 302, headers: ["location", "mailto:a@b"] },
    "http://h/loop": { status: 307, headers: ["location", "/loop"] },
  };
  const { result, calls, host } = await over(answers, async () => {
    const show = async (promise) => {
      try {
        const response = await promise;
        return [response.status, response.url, response.redirected];
      } catch (error) {
        return error.name;
      }
    };
    return [
      await show(fetch("http://h/1", { headers: { authorization: "secret", "x-a": "1" } })),
      await show(fetch("http://h/1", { redirect: "manual" })),
      await show(fetch("http://h/1", { redirect: "error" })),
      await show(fetch("http://h/none")),
      await show(fetch("http://h/bad")),
      await show(fetch("http://h/mail")),
      await show(fetch("http://h/loop")),
    ];
  });
  assert.deepEqual(result, [
    [200, "http://other/3", true],
    [302, "http://h/1", false],
    "TypeError",
    [302, "http://h/none", false],
    "TypeError",
    "TypeError",
    "TypeError",
  ]);
  assert.deepEqual(calls[1].headers, ["authorization", "secret", "x-a", "1"]);
  assert.deepEqual(calls[2].headers, ["x-a", "1"]);
  // The body of a redirect that is followed is dropped.
  assert.equal(host.bodies.get(calls[0].responseBody).canceled, true);
  assert.equal(calls.filter((call) => call.url === "http://h/loop").length, 21);
});

test("a Location is bytes", async () => {
  const answers = { "http://h/": { status: 302, headers: ["location", "/\u00e2\u0098\u0083?\u00ff%"] }, "http://h/%E2%98%83?%FF%": { body: "here" } };
  const { result } = await over(answers, async () => (await fetch("http://h/")).url);
  assert.equal(result, "http://h/%E2%98%83?%FF%");
});

test("responses of fetch are basic ones, and some statuses have no body", async () => {
  const answers = { "http://h/200": { body: "a" }, "http://h/205": { status: 205, body: "a" } };
  const { result, calls, host } = await over(answers, async () => {
    const seen = [new Response().type, Response.error().type];
    for (const url of ["http://h/200", "http://h/205", "data:,a"]) {
      const response = await fetch(url);
      seen.push([response.type, response.body === null, await response.text()]);
    }
    const head = await fetch("data:,a", { method: "HEAD" });
    return [...seen, head.body];
  });
  assert.deepEqual(result, ["default", "error", ["basic", false, "a"], ["basic", true, ""], ["basic", false, "a"], null]);
  assert.equal(host.bodies.get(calls[1].responseBody).canceled, true);
});

test("redirects: methods and bodies", async () => {
  const to = (status) => ({ status, headers: ["location", "/end"] });
  const answers = {
    "http://h/301": to(301),
    "http://h/302": to(302),
    "http://h/303": to(303),
    "http://h/307": to(307),
    "http://h/308": to(308),
    "http://h/end": async (call) => ({ body: `${call.method}:${(await call.body) ?? ""}:${call.headers.includes("content-type")}` }),
  };
  const { result } = await over(answers, async () => {
    const seen = [];
    for (const [status, method] of [[301, "POST"], [302, "POST"], [303, "POST"], [307, "POST"], [308, "PUT"], [301, "PUT"], [303, "PUT"]]) {
      seen.push(await (await fetch(`http://h/${status}`, { method, body: "text" })).text());
    }
    seen.push(await (await fetch("http://h/303", { method: "HEAD" })).text());
    const stream = () => ReadableStream.from([new Uint8Array([97])]);
    seen.push(await fetch("http://h/307", { method: "POST", body: stream() }).catch((error) => error.message.slice(0, 36)));
    seen.push(await (await fetch("http://h/303", { method: "POST", body: stream() })).text());
    return seen;
  });
  assert.deepEqual(result, [
    "GET::false",
    "GET::false",
    "GET::false",
    "POST:text:true",
    "PUT:text:true",
    "PUT:text:true",
    "GET::false",
    "HEAD::false",
    "A request with a one-time-use body (i",
    "GET::false",
  ].map((text) => text.replace("(i", "(")));
});

test("a redirect of a VPC Service goes to the same binding", async () => {
  const { result, calls } = await over(
    { "http://api/1": { status: 302, headers: ["location", "http://elsewhere/2"] }, "http://elsewhere/2": { body: "there" } },
    async (request, env) => (await env.API.fetch("http://api/1")).text(),
    { bindings: [{ name: "API", type: "vpc_service" }] },
  );
  assert.equal(result, "there");
  assert.deepEqual(calls.map((call) => call.binding), ["API", "API"]);
});

test("a stream as body is written with back-pressure; when it fails, so does the fetch", async () => {
  const { result, calls } = await over(
    { "http://h/": async (call) => ({ body: `got ${await call.body}` }), "http://h/fail": () => new Promise(() => {}) },
    async () => {
      const encoder = new TextEncoder();
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(encoder.encode("a"));
          controller.enqueue(encoder.encode("b"));
          controller.close();
        },
      });
      const text = await (await fetch("http://h/", { method: "POST", body, duplex: "half" })).text();
      const broken = new ReadableStream({ pull: (controller) => controller.error(new RangeError("source")) });
      const failed = await fetch("http://h/fail", { method: "POST", body: broken }).catch((error) => error.message);
      const fixed = new FixedLengthStream(3);
      const writer = fixed.writable.getWriter();
      writer.write(encoder.encode("abc"));
      writer.close();
      const length = await (await fetch("http://h/", { method: "POST", body: fixed.readable })).text();
      return [text, failed, length];
    },
  );
  assert.deepEqual(result, ["got ab", "source", "got abc"]);
  assert.equal(calls[0].sink.writes, 2);
  assert.deepEqual(calls[2].headers, ["content-length", "3"]);
});

test("an abort cancels the request, the body that is sent, and the body that is read", async () => {
  const slow = async function* () {
    yield Buffer.from("first");
    await new Promise(() => {});
  };
  const { result, calls, host } = await over(
    { "http://h/never": () => new Promise(() => {}), "http://h/slow": () => ({ body: slow() }), "http://h/whole": { body: "x" } },
    async () => {
      const controller = new AbortController();
      let canceled;
      const body = new ReadableStream({ cancel: (reason) => (canceled = reason.name) });
      const pending = fetch("http://h/never", { method: "POST", body, signal: controller.signal }).catch((error) => error.name);
      setTimeout(() => controller.abort(), 2);
      const first = await pending;

      const second = new AbortController();
      const response = await fetch("http://h/slow", { signal: second.signal });
      const reader = response.body.getReader();
      const chunk = new TextDecoder().decode((await reader.read()).value);
      const next = reader.read().catch((error) => error.message);
      second.abort(new Error("mine"));

      const third = new AbortController();
      const unread = await fetch("http://h/whole", { signal: third.signal });
      third.abort(new Error("late"));
      const late = await unread.text().catch((error) => error.message);

      const fourth = new AbortController();
      const taken = await fetch("http://h/slow", { signal: fourth.signal });
      const whole = taken.text().catch((error) => error.message);
      fourth.abort(new Error("enough"));
      return [first, canceled, chunk, await next, late, await whole];
    },
  );
  assert.deepEqual(result, ["AbortError", "AbortError", "first", "mine", "late", "enough"]);
  assert.equal(host.canceled.size >= 1, true);
  assert.equal(host.bodies.get(calls[1].responseBody).canceled, true);
  assert.equal(host.bodies.get(calls[2].responseBody).canceled, true);
});

test("bindings: texts, JSON values, a VPC Service that cannot be constructed", async () => {
  const { result } = await over(
    { "http://api/x": { body: "ok" } },
    async (request, env) => {
      const { default: self } = { default: env };
      const bad = await env.API.fetch("/x").catch((error) => error.message);
      let constructed;
      try {
        new env.API.constructor();
      } catch (error) {
        constructed = error.name;
      }
      const asked = new Request("http://api/x", { method: "POST", body: "b" });
      return [env.TEXT, env.SECRET, env.JSON, Object.keys(self), bad, constructed, await (await env.API.fetch(asked)).text(), asked.bodyUsed];
    },
    {
      bindings: [
        { name: "TEXT", type: "plain_text", text: "t" },
        { name: "SECRET", type: "secret_text", text: "s" },
        { name: "JSON", type: "json", json: { deep: [1, null] } },
        { name: "API", type: "vpc_service" },
      ],
    },
  );
  assert.deepEqual(result, ["t", "s", { deep: [1, null] }, ["TEXT", "SECRET", "JSON", "API"], "Invalid URL: /x", "TypeError", "ok", true]);
});
