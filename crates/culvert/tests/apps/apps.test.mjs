/** What people write for Workers, deployed by wrangler to the built program and used as their visitors would: `make test-apps`. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import WebSocket from "ws";
import { startEdge } from "./harness.mjs";
import { documentedNames, namedSurface } from "./surface.mjs";
import { S3_KEY, S3_SECRET, startS3, startUpstream } from "./upstream.mjs";

const edge = await startEdge();
const upstream = await startUpstream();
const s3 = await startS3();
after(async () => {
  upstream.stop();
  s3.stop();
  await edge.stop();
});

/** Deployments are made two at a time. */
let lanes = [Promise.resolve(), Promise.resolve()];
/**
 * The tests of one application. Deployments of all begin at once.
 * @param {string} name @param {string} file @param {Parameters<typeof edge.deploy>[2]} options @param {(visit: (path: string, options?: object) => ReturnType<typeof edge.visit>) => void} tests
 */
function application(name, file, options, tests) {
  const deployed = lanes[0].then(() => edge.deploy(name, file, options));
  lanes = [lanes[1], deployed.catch(() => {})];
  deployed.catch(() => {});
  describe(name, () => {
    before(() => deployed);
    tests((path, request) => edge.visit(name, path, request));
  });
}
const WITHOUT_NODE = { flags: [] };
const asJson = (value) => ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

application("hono", "hono.tsx", { ...WITHOUT_NODE, vars: { SECRET: "not-so-secret" } }, (visit) => {
  test("routes", async () => {
    assert.deepEqual((await visit("/books")).json(), [{ id: 1 }, { id: 2 }]);
    assert.deepEqual((await visit("/books/7?q=a%20b")).json(), { id: 7, q: "a b" });
    const missing = await visit("/books/x");
    assert.equal(missing.status, 404);
    assert.deepEqual(missing.json(), { missing: "/books/x" });
    assert.equal((await visit("/mounted/deep/er")).text(), "/deep/er");
  });
  test("middleware", async () => {
    const counted = await visit("/counted");
    assert.equal(counted.headers["x-after"], "42");
    assert.equal(counted.headers["x-content-type-options"], "nosniff");
    assert.match(counted.headers["server-timing"], /total;dur=/);
    const preflight = await visit("/cors/thing", { method: "OPTIONS", headers: { origin: "https://app.example", "access-control-request-method": "PUT" } });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers["access-control-allow-methods"], "GET,PUT");
    const tagged = await visit("/etag");
    const again = await visit("/etag", { headers: { "if-none-match": tagged.headers.etag } });
    assert.equal(again.status, 304);
    assert.equal((await visit("/basic")).status, 401);
    assert.equal((await visit("/basic", { headers: { authorization: `Basic ${btoa("u:p")}` } })).text(), "in");
  });
  test("cookies, signed ones too", async () => {
    const { headers } = await visit("/cookies");
    assert.equal(headers["set-cookie"].length, 2);
    assert.match(headers["set-cookie"][0], /^plain=a%20b; Path=\/; HttpOnly; SameSite=Lax$/);
    const cookie = headers["set-cookie"].map((one) => one.split(";")[0]).join("; ");
    assert.deepEqual((await visit("/cookies", { headers: { cookie } })).json(), { plain: "a b", signed: "value" });
    assert.deepEqual((await visit("/cookies", { headers: { cookie: cookie.replace("signed=v", "signed=w") } })).json(), { plain: "a b", signed: false });
  });
  test("JWT", async () => {
    const token = (await visit("/token")).text();
    const authorization = `Bearer ${token}`;
    assert.equal((await visit("/private/me", { headers: { authorization } })).json().sub, "u1");
    assert.equal((await visit("/private/me")).status, 401);
    assert.equal((await visit("/private/me", { headers: { authorization: `${authorization}x` } })).status, 401);
  });
  test("validation", async () => {
    assert.deepEqual((await visit("/books", asJson({ title: "t", pages: 3 }))).json(), { created: { title: "t", pages: 3 } });
    assert.equal((await visit("/books", asJson({ title: "", pages: 3 }))).status, 400);
  });
  test("streams and server-sent events", async () => {
    const events = await visit("/sse");
    assert.equal(events.headers["content-type"], "text/event-stream");
    assert.equal(events.text(), [0, 1, 2].map((id) => `event: tick\ndata: {"id":${id}}\nid: ${id}\n\n`).join(""));
    assert.equal((await visit("/text")).text(), "one\ntwo\nthree\n");
    assert.deepEqual([...(await visit("/stream")).bytes], [1, 2, 3, ...Buffer.from("rest")]);
  });
  test("JSX, forms, errors", async () => {
    assert.equal((await visit("/jsx")).text(), '<html><body><p title="&quot;quoted&quot;">&lt;escaped&gt;</p></body></html>');
    const form = new FormData();
    form.set("name", "é");
    form.set("file", new File(["content"], "a b.txt", { type: "text/plain" }));
    const encoded = new Response(form);
    const answer = await visit("/form", { method: "POST", headers: { "content-type": encoded.headers.get("content-type") }, body: new Uint8Array(await encoded.arrayBuffer()) });
    assert.deepEqual(answer.json(), { name: "é", file: { name: "a b.txt", type: "text/plain", text: "content" } });
    const teapot = await visit("/fails");
    assert.deepEqual([teapot.status, teapot.text()], [418, "teapot"]);
    assert.deepEqual((await visit("/throws")).json(), { error: "unexpected" });
  });
});

application("itty", "itty.ts", WITHOUT_NODE, (visit) => {
  test("routes, errors, CORS", async () => {
    assert.equal((await visit("/")).json(), "hello");
    const todo = await visit("/todos/5?a=1&a=2", { headers: { origin: "https://app.example" } });
    assert.deepEqual(todo.json(), { id: "5", query: { a: ["1", "2"] } });
    assert.equal(todo.headers["access-control-allow-origin"], "https://app.example");
    assert.deepEqual((await visit("/todos", asJson({ a: 1 }))).json(), { saved: { a: 1 } });
    assert.deepEqual((await visit("/teapot")).json(), { status: 418, error: "teapot" });
    assert.deepEqual((await visit("/throws")).json(), { status: 402, error: "Unknown Error", because: "unpaid" });
    assert.equal((await visit("/none")).status, 404);
  });
});

application("react", "react.tsx", WITHOUT_NODE, (visit) => {
  test("a stream that waits for what is suspended", async () => {
    const page = (await visit("/")).text();
    assert.match(page, /^<!DOCTYPE html><html lang="en"><head>.*<title>Shop &lt;3&gt;<\/title>/);
    assert.match(page, /<p>waiting<\/p>.*<li>tea<\/li><li>kettle<\/li><li>&lt;cup&gt;<\/li>/s);
    assert.match(page, /<script src="\/client.js"/);
    assert.doesNotMatch((await visit("/all")).text(), /<p>waiting<\/p>/);
  });
  test("one string", async () => {
    const page = (await visit("/string")).text();
    assert.match(page, /<label for="[^"]+">3<\/label>/);
    assert.match(page, /waiting/);
  });
});

application("jose", "jose.ts", WITHOUT_NODE, (visit) => {
  test("every algorithm signs", async () => {
    const answers = (await visit("/sign")).json();
    assert.equal(Object.keys(answers).length, 14);
    for (const [alg, answer] of Object.entries(answers)) {
      assert.deepEqual(answer, { name: "é", refused: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", again: "i", thumbprint: 43, pem: alg.startsWith("HS") ? "" : "-----BEGIN PUBLIC KEY-----" }, alg);
    }
  });
  test("every algorithm encrypts", async () => {
    const { X25519, JWKS, ...answers } = (await visit("/encrypt")).json();
    assert.deepEqual([X25519, JWKS], [1, "s"]);
    assert.equal(Object.keys(answers).length, 24);
    for (const [alg, answer] of Object.entries(answers)) assert.deepEqual(answer, { plaintext: "secret", refused: "ERR_JWE_DECRYPTION_FAILED" }, alg);
  });
});

application("schemas", "schemas.ts", WITHOUT_NODE, (visit) => {
  const order = { id: "123e4567-e89b-12d3-a456-426614174000", email: "a@example.com", total: "12.5", at: "2024-02-29T12:00:00Z", lines: [{ kind: "item", sku: "AB-1" }] };
  test("zod", async () => {
    const parsed = (await visit("/zod", asJson(order))).json();
    assert.deepEqual([parsed.total, parsed.year], [12.5, 2024]);
    const refused = await visit("/zod", asJson({ ...order, email: "no", lines: [{ kind: "item", sku: "x" }] }));
    assert.equal(refused.status, 422);
    assert.deepEqual(Object.keys(refused.json().issues.fieldErrors), ["email", "lines"]);
    assert.equal((await visit("/zod/schema", asJson({}))).json().type, "object");
  });
  test("valibot", async () => {
    assert.deepEqual((await visit("/valibot", asJson({ street: "s", zip: "12345" }))).json(), { street: "s", zip: "12345" });
    assert.deepEqual(Object.keys((await visit("/valibot", asJson({ street: "s", zip: "1" }))).json().issues.nested), ["zip"]);
  });
  test("ajv compiles at the top level, and not while a request is served", async () => {
    assert.deepEqual((await visit("/ajv", asJson({ n: 3 }))).json(), { valid: true, errors: [] });
    assert.deepEqual((await visit("/ajv", asJson({ n: 1, m: 1 }))).json(), { valid: false, errors: ["additionalProperties", "minimum"] });
    assert.equal((await visit("/ajv/late", asJson({ n: 3 }))).status, 500);
  });
});

application("graphql", "graphql.ts", WITHOUT_NODE, (visit) => {
  const ask = (query, variables) => visit("/graphql", asJson({ query, variables }));
  test("queries, mutations, errors", async () => {
    assert.deepEqual((await ask("query($n: Int) { todos(first: $n) { text } }", { n: 1 })).json(), { data: { todos: [{ text: "write" }] } });
    assert.equal((await ask("mutation { add(text: \"read\") { text } }")).json().data.add.text, "read");
    const failed = (await ask("{ fails }")).json();
    assert.deepEqual([failed.errors[0].message, failed.errors[0].extensions.code], ["on purpose", "ON_PURPOSE"]);
    assert.match((await ask("{ nothing }")).json().errors[0].message, /Cannot query field "nothing"/);
    assert.deepEqual((await visit(`/graphql?query=${encodeURIComponent("{ agent }")}`, { headers: { "user-agent": "t" } })).json(), { data: { agent: "t" } });
  });
  test("a subscription", async () => {
    const events = await visit(`/graphql?query=${encodeURIComponent("subscription { countdown(from: 2) }")}`, { headers: { accept: "text/event-stream" } });
    assert.deepEqual([...events.text().matchAll(/"countdown":(\d)/g)].map(([, n]) => n), ["2", "1", "0"]);
    assert.match(events.text(), /event: complete/);
  });
  test("GraphiQL", async () => assert.match((await visit("/graphql", { headers: { accept: "text/html" } })).text(), /<title>Yoga GraphiQL<\/title>/));
});

application("mcp", "mcp.ts", {}, (visit) => {
  let id = 0;
  const call = async (method, params) => {
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const answer = await visit("/mcp", { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params }) });
    return answer.text().split("\n").filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)));
  };
  test("tools and resources", async () => {
    const [hello] = await call("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } });
    assert.equal(hello.result.serverInfo.name, "culvert-test");
    assert.deepEqual((await call("tools/list"))[0].result.tools.map(({ name }) => name), ["add", "slow"]);
    assert.equal((await call("tools/call", { name: "add", arguments: { a: 1, b: 2 } }))[0].result.content[0].text, "3");
    assert.match(JSON.stringify((await call("tools/call", { name: "add", arguments: { a: "x", b: 2 } }))[0]), /expected number/);
    assert.equal((await call("resources/read", { uri: "greeting://world" }))[0].result.contents[0].text, "hello");
  });
  test("notifications on the way", async () => {
    const messages = await call("tools/call", { name: "slow", arguments: {} });
    assert.deepEqual(messages.map(({ params, result }) => params?.data ?? result.content[0].text), ["step 1", "step 2", "done"]);
  });
});

application("s3", "s3.ts", { vars: { ENDPOINT: s3.url, KEY: S3_KEY, SECRET: S3_SECRET } }, (visit) => {
  test("the AWS SDK", async () => {
    const put = await visit("/sdk/a%20b.txt", { method: "PUT", body: "content" });
    assert.deepEqual(put.json(), { ETag: `"${createHash("md5").update("content").digest("hex")}"` });
    const got = await visit("/sdk/a%20b.txt");
    assert.equal(got.text(), "content");
    assert.deepEqual([got.headers["content-type"], got.headers["x-metadata"]], ["text/plain", '{"from":"worker"}']);
    assert.equal((await visit("/sdk/a%20b.txt?text")).text(), "content");
    assert.deepEqual((await visit("/sdk/?list")).json(), [{ Key: "a%20b.txt", Size: 7 }]);
    assert.equal((await visit("/sdk/a%20b.txt", { method: "HEAD" })).headers["x-length"], "7");
    assert.deepEqual((await visit("/sdk/a%20b.txt", { method: "POST" })).json(), { id: "upload-1" });
    assert.equal((await visit("/sdk/a%20b.txt", { method: "DELETE" })).status, 204);
    const missing = (await visit("/sdk/a%20b.txt")).json();
    assert.deepEqual([missing.name, missing.status], ["NoSuchKey", 404]);
  });
  test("aws4fetch", async () => {
    const put = await visit("/aws4fetch/x.bin", { method: "PUT", body: randomBytes(70_000) });
    assert.deepEqual([put.status, put.headers["x-presigned"]], [200, "true"]);
    assert.equal((await visit("/aws4fetch/x.bin")).bytes.length, 70_000);
    assert.equal((await visit("/aws4fetch/none")).status, 404);
  });
});

application("wasm", "wasm.ts", WITHOUT_NODE, (visit) => {
  test("modules of wasm-bindgen", async () => {
    for (const [color, pixel] of [["red", [255, 0, 0, 255]], ["rgb(1,2,3)", [1, 2, 3, 255]]]) {
      const answer = (await visit(`/?color=${encodeURIComponent(color)}`)).json();
      assert.deepEqual([answer.signature, answer.width, answer.height, answer.pixel, answer.again], [[137, 80, 78, 71], 20, 10, pixel, true]);
    }
  });
});

application("popular", "popular.ts", { vars: { UPSTREAM: upstream.url } }, (visit) => {
  const expected = {
    lodash: { grouped: { odd: [1, 3], even: [2, 4] }, deep: true, title: "Foo Bar Baz", clone: 5, template: "foo-bar" },
    "date-fns": { format: "Thursday 29 February 2024 13:05", days: 2, distance: "about 3 hours" },
    uuid: { v4: true, v5: "cfbff0d1-9375-5685-968c-48ce8b15ae17", v7: true, different: true },
    nanoid: { length: 21, digits: true },
    marked: "<h1>Hi <em>there</em></h1>\n<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody><tr>\n<td>1</td>\n<td><code>2</code></td>\n</tr>\n</tbody></table>\n",
    cheerio: { texts: ["one", "between", "two & three"], html: '<li class="a" data-x="1">one</li><li>between</li><li>two &amp; three</li>' },
    superjson: 7,
    preact: '<main class="x"><b>1 &lt; 2</b></main>',
    effect: 6,
    axios: {
      data: { method: "POST", query: { q: "x y" }, body: '{"a":1}', from: "axios" },
      status: 200, type: "application/json", refused: { code: "ERR_BAD_REQUEST", status: 404 }, slow: "ETIMEDOUT", adapter: "fetch",
    },
    ky: { body: '{"b":2}', flaky: "answer 2", refused: "HTTPError 403", slow: "TimeoutError" },
    openai: { whole: "hello there", streamed: "hello there", refused: "404 NotFoundError" },
    stripe: { id: "cus_1", names: ["a", "b", "c"], event: "ping", forged: "StripeSignatureVerificationError", declined: "StripeCardError card_declined" },
  };
  for (const [name, answer] of Object.entries(expected)) {
    test(name, async () => {
      const { status, text, json } = await visit(`/${name}`);
      assert.equal(status, 200, text());
      assert.deepEqual(json(), answer);
    });
  }
  test("nothing is left out", async () => assert.deepEqual((await visit("/")).json(), Object.keys(expected)));
});

application("websocket", "websocket.ts", { ...WITHOUT_NODE, vars: { UPSTREAM: upstream.url } }, (visit) => {
  test("text, bytes and a close with a reason", async () => {
    const { url, options } = edge.socket("websocket");
    const socket = new WebSocket(url, "chat", options);
    await once(socket, "open");
    assert.equal(socket.protocol, "chat");
    socket.send("hi");
    assert.equal(String((await once(socket, "message"))[0]), "echo hi");
    const bytes = randomBytes(100_000);
    socket.send(bytes);
    const [answer, isBinary] = await once(socket, "message");
    assert(isBinary && bytes.equals(answer));
    socket.send("close");
    const [code, reason] = await once(socket, "close");
    assert.deepEqual([code, String(reason)], [4001, "asked to"]);
    assert.equal((await visit("/")).status, 426);
  });
  test("a client", async () => assert.deepEqual((await visit("/through")).json(), { answer: "PING" }));
});

application("streams", "streams.ts", {}, (visit) => {
  const body = Buffer.concat(Array.from({ length: 40 }, (_, index) => (index % 2 ? randomBytes(20_000) : Buffer.alloc(30_000, index))));
  const post = (path, sent) => visit(path, { method: "POST", body: sent });
  test("gzip, both ways", async () => {
    const zipped = await post("/gzip", body);
    assert.equal(zipped.headers["content-encoding"], "gzip");
    assert(gunzipSync(zipped.bytes).equals(body));
    assert((await post("/gunzip", gzipSync(body))).bytes.equals(body));
  });
  test("a pipeline of many", async () => {
    assert.equal((await post("/upper", "abc é")).text(), "ABC É");
    assert.deepEqual((await post("/round", body)).json(), { length: body.length, sha256: createHash("sha256").update(body).digest("hex") });
    assert.equal((await post("/broken", "not gzip")).json().code, "Z_DATA_ERROR");
  });
});

application("express", "express.ts", {}, (visit) => {
  test("routes, bodies, cookies, streams, errors", async () => {
    const hello = await visit("/");
    assert.deepEqual([hello.text(), hello.headers["x-powered-by"], hello.headers["content-type"]], ["hello", "culvert", "text/html; charset=utf-8"]);
    assert.equal((await visit("/", { headers: { "if-none-match": hello.headers.etag } })).status, 304);
    assert.deepEqual((await visit("/users/3?a[b]=1&c=2")).json(), { id: "3", query: { "a[b]": "1", c: "2" }, ip: "string", host: "express.localhost" });
    const created = await visit("/users", asJson({ name: "é" }));
    assert.deepEqual([created.status, created.headers.location, created.json()], [201, "/users/7", { got: { name: "é" } }]);
    assert.equal((await visit("/users", { ...asJson(0), body: "{" })).status, 400);
    assert.deepEqual((await visit("/cookie")).headers["set-cookie"], ["a=1; Path=/", "b=2; Path=/; HttpOnly"]);
    assert.equal((await visit("/stream")).text(), "line 0\nline 1\nline 2\nend\n");
    const redirect = await visit("/redirect");
    assert.deepEqual([redirect.status, redirect.headers.location], [302, "/"]);
    const broken = await visit("/throws");
    assert.deepEqual([broken.status, broken.json()], [503, { error: "broken" }]);
    assert.equal((await visit("/none")).status, 404);
    assert.deepEqual([(await visit("/", { method: "HEAD" })).status, (await visit("/", { method: "HEAD" })).text()], [200, ""]);
  });
});

application("surface", "surface.ts", {}, (visit) => {
  test("what @cloudflare/workers-types names is there, or the documentation says why not", async () => {
    const lacking = (await visit("/", asJson(namedSurface()))).json();
    const page = readFileSync(new URL("../../../../docs/web-apis.md", import.meta.url), "utf8");
    assert.deepEqual(lacking.sort(), documentedNames(page, "What the types name and Culvert lacks").sort());
  });
});
