import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

test("the visitor's request", async () => {
  const result = await inWorker(
    (request) => ({
      method: request.method,
      url: request.url,
      redirect: request.redirect,
      body: request.body,
      used: request.bodyUsed,
      signal: request.signal.aborted,
      cf: request.cf === undefined,
      instance: request instanceof Request,
    }),
    { request: { method: "PUT", url: "http://w.test/p?q" } },
  );
  assert.deepEqual(result, {
    method: "PUT",
    url: "http://w.test/p?q",
    redirect: "manual",
    body: null,
    used: false,
    signal: false,
    cf: true,
    instance: true,
  });
});

test("Request takes over and overrides", async () => {
  const result = await inWorker(async () => {
    const controller = new AbortController();
    const first = new Request("http://H.test/a/../b#f", {
      method: "post",
      headers: { "x-a": "1" },
      body: "text",
      cf: { cacheTtl: 5 },
      redirect: "error",
      signal: controller.signal,
    });
    const second = new Request(first, { headers: { "x-b": "2" } });
    const third = new Request("http://other/", second);
    controller.abort("stop");
    return {
      first: [first.url, first.method, first.bodyUsed, first.signal.reason],
      second: [second.headers.get("x-a"), second.headers.get("x-b"), second.method, second.redirect, second.cf, second.signal.reason, second.bodyUsed],
      third: [third.url, third.method, await third.text()],
      patch: new Request("http://h/", { method: "patch" }).method,
    };
  });
  assert.deepEqual(result, {
    first: ["http://h.test/b#f", "POST", true, "stop"],
    second: [null, "2", "POST", "error", { cacheTtl: 5 }, "stop", false],
    third: ["http://other/", "POST", "text"],
    patch: "patch",
  });
});

test("what only browsers heed is kept, and never refused", async () => {
  const result = await inWorker(() => {
    const show = ({ credentials, destination, mode, referrer, referrerPolicy }) => [credentials, destination, mode, referrer, referrerPolicy];
    const full = new Request("http://h/", { credentials: "include", mode: "no-cors", referrer: "http://r", referrerPolicy: "origin", method: "PUT" });
    const wrong = { credentials: "none", mode: "navigate", referrer: "/", referrerPolicy: "all" };
    return [new Request("http://h/"), full, new Request(full), full.clone(), new Request("http://h/", wrong)].map(show);
  });
  const plain = ["same-origin", "", "cors", "about:client", ""];
  const full = ["include", "", "no-cors", "http://r/", "origin"];
  assert.deepEqual(result, [plain, full, full, full, plain]);
});

test("what Request refuses", async () => {
  const result = await inWorker(() => {
    const message = (...values) => {
      try {
        new Request(...values);
        return "nothing";
      } catch (error) {
        return `${error.name}: ${error.message}`;
      }
    };
    return [
      message("/path"),
      message("http://h/", { body: "x" }),
      message("http://h/", { method: "HEAD", body: "x" }),
      message("http://h/", { method: "TRACE" }),
      message("http://h/", { method: "a b" }),
      message("http://h/", { redirect: "other" }),
      message("http://h/", { signal: {} }),
      message("http://u:p@h/"),
      message(),
    ].map((text) => text.slice(0, 40));
  });
  assert.equal(result[0], "TypeError: Invalid URL: /path");
  assert.match(result[1], /^TypeError: Request with a GET or HEAD/);
  for (const text of result) assert.match(text, /^TypeError/);
});

test("Response: init, json, redirect, error, statuses", async () => {
  const result = await inWorker(async () => {
    const name = (work) => {
      try {
        work();
        return "nothing";
      } catch (error) {
        return error.name;
      }
    };
    const plain = new Response("x", { status: 201, statusText: "Made", headers: { a: "b" } });
    const json = Response.json({ a: 1 }, { status: 202 });
    const redirect = Response.redirect("http://h/x y", 307);
    return {
      plain: [plain.status, plain.statusText, plain.ok, plain.headers.get("a"), plain.url, plain.redirected, plain.type],
      empty: [new Response().status, new Response().body, new Response(undefined).headers.get("content-type")],
      json: [json.status, json.headers.get("content-type"), await json.json()],
      typed: [
        Response.json(1, { headers: { "content-type": "x/y" } }).headers.get("content-type"),
        Response.json(1, { headers: { "content-type": "text/plain;charset=UTF-8" } }).headers.get("content-type"),
      ],
      redirect: [redirect.status, redirect.headers.get("location")],
      error: [Response.error().type, Response.error().status],
      refused: [
        name(() => new Response("", { status: 199 })),
        name(() => new Response("", { status: 600 })),
        name(() => new Response("x", { status: 204 })),
        name(() => new Response("", { statusText: "a\nb" })),
        name(() => Response.redirect("http://h/", 200)),
        name(() => Response.redirect("/relative")),
        name(() => Response.json(undefined)),
        name(() => Response.json(1n)),
        name(() => new Response(null, { status: 304 })),
      ],
    };
  });
  assert.deepEqual(result, {
    plain: [201, "Made", true, "b", "", false, "default"],
    empty: [200, null, null],
    json: [202, "application/json", { a: 1 }],
    typed: ["x/y", "text/plain;charset=UTF-8"],
    redirect: [307, "http://h/x%20y"],
    error: ["error", 0],
    refused: ["RangeError", "RangeError", "TypeError", "TypeError", "RangeError", "TypeError", "TypeError", "TypeError", "nothing"],
  });
});
