import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatch, isolate } from "./harness.js";

const worker = (main, options = {}) => isolate({ ...options, modules: { main, ...options.modules } });

test("handlers are found on objects and on classes; other default exports have none", async () => {
  const handlers = async (main) => [...(await worker(main)).handlers];
  assert.deepEqual(await handlers("export default { fetch() {}, async scheduled() {} , other() {} };"), ["fetch", "scheduled"]);
  assert.deepEqual(
    await handlers('import { WorkerEntrypoint } from "cloudflare:workers"; export default class extends WorkerEntrypoint { fetch() {} };'),
    ["fetch"],
  );
  assert.deepEqual(await handlers("export default {};"), []);
  assert.deepEqual(await handlers("export const x = 1;"), []);
  await assert.rejects(worker("throw new RangeError('top');"), /top/);
});

test("a WorkerEntrypoint is made anew for each request, with ctx and env; cloudflare:workers gives env and waitUntil", async () => {
  const isolated = await worker(
    `import { WorkerEntrypoint, env, waitUntil } from "cloudflare:workers";
     import { seen } from "./other.js";
     export default class extends WorkerEntrypoint {
       count = 0;
       fetch(request) {
         this.count += 1;
         waitUntil(new Promise((resolve) => setTimeout(() => { seen.push("waited"); resolve(); }, 3)));
         return Response.json([this.count, env === this.env, env.TEXT, typeof this.ctx.waitUntil, seen.length]);
       }
     }`,
    { bindings: [{ name: "TEXT", type: "plain_text", text: "t" }], modules: { "other.js": "export const seen = [];" } },
  );
  assert.deepEqual(JSON.parse((await dispatch(isolated)).text), [1, true, "t", "function", 0]);
  assert.deepEqual(JSON.parse((await dispatch(isolated)).text), [1, true, "t", "function", 1]);
});

test("what is not a Response fails, with the sentence of Workers", async () => {
  const sentence = "Incorrect type for Promise: the Promise did not resolve to 'Response'.";
  for (const value of ["undefined", "'text'", "{}", "Promise.resolve(null)", "Object.create(Response.prototype)"]) {
    const result = await dispatch(await worker(`export default { fetch: () => (${value}) };`));
    assert.equal(result.failure.message, sentence, value);
    assert.equal(result.failure.name, "TypeError");
    assert.equal(result.status, undefined);
  }
});

test("exceptions, sync and async, and a missing handler fail", async () => {
  const failure = async (main) => (await dispatch(await worker(main))).failure;
  assert.equal((await failure("export default { fetch() { throw new Error('sync'); } };")).message, "sync");
  assert.equal((await failure("export default { async fetch() { throw new Error('async'); } };")).message, "async");
  assert.equal(await failure("export default { async fetch() { throw 'text'; } };"), "text");
  assert.equal((await failure("export default { scheduled() {} };")).message, "Handler does not export a fetch() function.");
  assert.match((await failure("export default { async fetch() { const r = new Response('x'); await r.text(); return r; } };")).message, /already been used/);
  assert.match((await failure("export default { async fetch() { const r = new Response('x'); r.body.getReader(); return r; } };")).message, /locked/);
  assert.match((await failure("export default { fetch: () => Response.error() };")).message, /Response\.error/);
});

test("done comes after the body and every waitUntil; what it rejects with is reported", async () => {
  const isolated = await worker(`export default { fetch(request, env, ctx) {
    ctx.passThroughOnException();
    ctx.waitUntil(new Promise((resolve) => setTimeout(() => { console.log("late"); resolve(); }, 10)));
    ctx.waitUntil(Promise.reject(new Error("background")));
    ctx.waitUntil("not a promise");
    return new Response(JSON.stringify(ctx.props));
  } };`);
  const result = await dispatch(isolated);
  assert.equal(result.text, "{}");
  assert.deepEqual(isolated.host.logs.map(({ values }) => values), [['"late"']]);
  assert.deepEqual(isolated.host.errors.map(({ error }) => error.message), ["background"]);
});

test("waitUntil goes on after the handler failed", async () => {
  const isolated = await worker(`export default { async fetch(request, env, ctx) {
    ctx.waitUntil(new Promise((resolve) => setTimeout(() => { console.log("still"); resolve(); }, 5)));
    throw new Error("failed");
  } };`);
  const result = await dispatch(isolated);
  assert.equal(result.failure.message, "failed");
  assert.equal(isolated.host.logs.length, 1);
});

test("a stream is written to the sink chunk by chunk, no faster than it is taken", async () => {
  const isolated = await worker(`export default { fetch() {
    let count = 0;
    return new Response(new ReadableStream({
      pull(controller) {
        count += 1;
        console.log(count);
        controller.enqueue(new Uint8Array(10).fill(count));
        if (count === 5) controller.close();
      },
    }, { highWaterMark: 0 }));
  } };`);
  const { host } = isolated;
  const begun = host.begin(1);
  isolated.entries.fetch(1, "GET", "http://w/", host.own([]), 0);
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await new Promise((resolve) => setTimeout(resolve, 1));
  begun.sink.wait = () => held;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(host.logs.length < 4, true, "the stream ran ahead of the sink");
  release();
  await begun.ended;
  assert.equal(begun.bytes.length, 50);
  assert.equal(begun.sink.writes, 5);
});

test("a stream that fails aborts the sink; a reader that goes away cancels the stream; wrong chunks abort", async () => {
  const failing = await worker(`export default { fetch() {
    return new Response(new ReadableStream({ pull(controller) { controller.error(new RangeError("broken source")); } }));
  } };`);
  assert.equal((await dispatch(failing)).aborted, "RangeError: broken source");

  const wrong = await worker(`export default { fetch: () => new Response(ReadableStream.from(["text"])) };`);
  assert.match((await dispatch(wrong)).aborted, /^TypeError: .*not bytes/);

  const gone = await worker(`export default { fetch() {
    return new Response(new ReadableStream({
      pull(controller) { controller.enqueue(new Uint8Array(1)); return new Promise((resolve) => setTimeout(resolve, 1)); },
      cancel(reason) { console.log("canceled: " + reason.message); },
    }));
  } };`);
  const { host } = gone;
  const result = host.begin(1);
  gone.entries.fetch(1, "GET", "http://w/", host.own([]), 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  result.sink.gone = true;
  await result.ended;
  assert.deepEqual(host.logs.map(({ values }) => JSON.parse(values[0])), ["canceled: The reader of the body is gone."]);
});

test("the visitor's leaving aborts request.signal; what waitUntil holds is told of", async () => {
  const isolated = await worker(`export default { fetch(request, env, ctx) {
    if (request.url.endsWith("/quiet")) return new Promise(() => {});
    request.signal.addEventListener("abort", () => console.log(request.signal.reason.name));
    if (request.url.endsWith("/background")) ctx.waitUntil(new Promise(() => {}));
    return new Promise(() => {});
  } };`);
  const { host, entries } = isolated;
  const begin = (id, path) => {
    host.begin(id);
    entries.fetch(id, "GET", `http://w/${path}`, host.own([]), 0);
    return entries.disconnected(id);
  };
  assert.equal(begin(1, "quiet"), false);
  assert.equal(host.logs.length, 0);
  assert.equal(begin(2, "listening"), false);
  assert.deepEqual(host.logs.map(({ values }) => JSON.parse(values[0])), ["AbortError"]);
  assert.equal(begin(3, "background"), true);
  entries.forget(host.own([1, 2, 3]), 3);
  assert.equal(entries.disconnected(3), false);
  assert.equal(entries.disconnected(99), false);
});

test("the visitor's leaving cancels the stream of the response, even an idle one", async () => {
  const isolated = await worker(`export default { fetch() {
    return new Response(new ReadableStream({ cancel(reason) { console.log(reason.message); } }));
  } };`);
  const { host, entries } = isolated;
  const result = host.begin(1);
  entries.fetch(1, "GET", "http://w/", host.own([]), 0);
  await new Promise((resolve) => setTimeout(resolve, 2));
  assert.equal(entries.disconnected(1), false);
  await result.ended;
  assert.deepEqual(host.logs.map(({ values }) => JSON.parse(values[0])), ["Network connection lost: the visitor stopped reading the response."]);
});

test("an I/O object of one request cannot be used by another", async () => {
  const isolated = await worker(`
    let kept;
    let used = false;
    export default { async fetch(request) {
      if (request.url.endsWith("/keep")) {
        const response = await fetch("http://h/");
        kept = { request, body: request.body, response, reader: response.body.getReader() };
        while (!used) await new Promise((resolve) => setTimeout(resolve, 1));
        return new Response("kept");
      }
      if (request.url.endsWith("/there")) return Response.json(kept !== undefined);
      used = true;
      const message = async (work) => { try { await work(); return "allowed"; } catch (error) { return error.message; } };
      return Response.json([
        await message(() => kept.request.text()),
        await message(() => kept.reader.read()),
        await message(() => kept.body.getReader()),
        await message(() => new Response(kept.body).text()),
      ]);
    } };`);
  isolated.host.onFetch = async () => ({ body: "x" });
  const keeping = dispatch(isolated, { url: "http://w/keep", method: "POST", body: "mine" });
  while ((await dispatch(isolated, { url: "http://w/there" })).text !== "true") await new Promise((resolve) => setTimeout(resolve, 1));
  const other = await dispatch(isolated, { url: "http://w/use" });
  assert.equal(other.failure, undefined);
  for (const message of JSON.parse(other.text)) assert.match(message, /^Cannot perform I\/O on behalf of a different request\. I\/O objects/);
  assert.equal((await keeping).text, "kept");
});

test("invocations interleave: each timer and body is its own", async () => {
  const isolated = await worker(`export default { async fetch(request) {
    const text = await request.text();
    await new Promise((resolve) => setTimeout(resolve, Number(text)));
    const response = await fetch("http://h/" + text);
    return new Response(response.body);
  } };`);
  isolated.host.onFetch = async (call) => ({ body: call.url });
  const results = await Promise.all([9, 1, 5, 3].map((delay) => dispatch(isolated, { method: "POST", body: String(delay) })));
  assert.deepEqual(results.map((result) => result.text), ["http://h/9", "http://h/1", "http://h/5", "http://h/3"]);
  assert.equal(new Set(isolated.host.calls.map((call) => call.invocation)).size, 4);
});

test("response head: FixedLengthStream sets Content-Length, a used static body is sent once", async () => {
  const isolated = await worker(`const shared = new Response("shared");
    export default { async fetch(request) {
      if (request.url.endsWith("/shared")) return shared;
      const { readable, writable } = new FixedLengthStream(2);
      const writer = writable.getWriter();
      writer.write(new Uint8Array([104, 105])).then(() => writer.close());
      return new Response(readable, { headers: { "x-a": "1" } });
    } };`);
  const fixed = await dispatch(isolated);
  assert.equal(fixed.text, "hi");
  assert.deepEqual(fixed.headers, ["x-a", "1", "content-length", "2"]);
  assert.equal((await dispatch(isolated, { url: "http://w/shared" })).text, "shared");
  assert.match((await dispatch(isolated, { url: "http://w/shared" })).failure.message, /already been used/);
});
