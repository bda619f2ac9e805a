import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatch, isolate } from "./harness.js";

const VPC = [{ name: "API", type: "vpc_service" }, { name: "TEXT", type: "plain_text", text: "t" }, { name: "CONFIG", type: "json", json: { a: [1] } }];

test("hello world", async () => {
  const worker = await isolate({ modules: { main: `export default { fetch() { return new Response("Hello"); } };` } });
  assert.deepEqual([...worker.handlers], ["fetch"]);
  const result = await dispatch(worker);
  assert.equal(result.failure, undefined);
  assert.equal(result.text, "Hello");
  assert.equal(result.status, 200);
  assert.deepEqual(result.headers, ["content-type", "text/plain;charset=UTF-8"]);
  assert.equal("__host" in worker.context, false);
});

test("JSON in and out", async () => {
  const worker = await isolate({
    bindings: VPC,
    modules: {
      main: `export default { async fetch(request, env) {
        const given = await request.json();
        return Response.json({ given, text: env.TEXT, config: env.CONFIG, path: new URL(request.url).pathname });
      } };`,
    },
  });
  const result = await dispatch(worker, { method: "POST", url: "http://worker.test/a/b?c", body: '{"x":1}' });
  assert.equal(result.failure, undefined);
  assert.deepEqual(JSON.parse(result.text), { given: { x: 1 }, text: "t", config: { a: [1] }, path: "/a/b" });
  assert.deepEqual(result.headers, ["content-type", "application/json"]);
});

test("a proxy passes bodies on natively, both ways", async () => {
  const worker = await isolate({ bindings: VPC, modules: { main: `export default { fetch: (request, env) => env.API.fetch(request) };` } });
  worker.host.onFetch = async (request) => {
    assert.equal(request.binding, "API");
    return { status: 201, statusText: "Created", headers: ["x-a", "1"], body: `got ${await request.body}` };
  };
  const result = await dispatch(worker, { method: "POST", body: "ping", headers: ["content-type", "text/x"] });
  assert.equal(result.failure, undefined);
  const [call] = worker.host.calls;
  assert.equal(typeof call.sent, "number");
  assert.deepEqual(call.headers, ["content-type", "text/x"]);
  assert.equal(result.kind, "native");
  assert.equal(result.status, 201);
  assert.equal(result.text, "got ping");
});

test("new Response(response.body) stays native; a TransformStream does not", async () => {
  const worker = await isolate({
    bindings: VPC,
    modules: {
      main: `export default { async fetch(request, env) {
        const response = await env.API.fetch("http://api/");
        if (request.url.endsWith("/same")) return new Response(response.body, response);
        const upper = new TransformStream({ transform(chunk, controller) {
          controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase()));
        } });
        return new Response(response.body.pipeThrough(upper), { headers: response.headers });
      } };`,
    },
  });
  worker.host.onFetch = async () => ({ headers: ["x-a", "1"], body: [Buffer.from("one "), Buffer.from("two")] });
  const same = await dispatch(worker, { url: "http://w/same" });
  assert.equal(same.failure, undefined);
  assert.equal(same.kind, "native");
  assert.equal(same.text, "one two");
  const upper = await dispatch(worker, { url: "http://w/upper" });
  assert.equal(upper.failure, undefined);
  assert.equal(upper.kind, "sink");
  assert.equal(upper.text, "ONE TWO");
  assert.equal(upper.sink.writes, 2);
  assert.deepEqual(upper.headers, ["x-a", "1"]);
});

test("a failed VPC fetch rejects with ProxyError and its fields", async () => {
  const worker = await isolate({
    bindings: VPC,
    modules: {
      main: `export default { async fetch(request, env) {
        try { await env.API.fetch("http://api/"); } catch (error) {
          return Response.json({ text: String(error), name: error.name, instance: error instanceof Error, ...error });
        }
      } };`,
    },
  });
  const fields = { code: "connection_refused", category: "Bad Upstream", phase: "connect", detail: "no", retryable: true, service: "api", rayId: "r", timings: { connect: 1 } };
  worker.host.onFetch = async () => {
    throw { name: "Error", message: "ProxyError: connection_refused", connection: JSON.stringify(fields) };
  };
  const result = await dispatch(worker);
  assert.deepEqual(JSON.parse(result.text), { text: "Error: ProxyError: connection_refused", name: "Error", instance: true, ...fields });
});
