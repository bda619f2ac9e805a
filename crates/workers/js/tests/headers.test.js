import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

test("Headers combine, sort, and keep Set-Cookie apart", async () => {
  const result = await inWorker(() => {
    const headers = new Headers([["B", " 2 "], ["a", "1"], ["b", "3"], ["Set-Cookie", "x=1"], ["set-cookie", "y=2"]]);
    const entries = [...headers];
    headers.set("B", "4");
    headers.delete("a");
    headers.append("c", "");
    return {
      entries,
      keys: [...headers.keys()],
      get: [headers.get("b"), headers.get("C"), headers.get("none"), headers.get("set-cookie")],
      cookies: [headers.getSetCookie(), headers.getAll("Set-Cookie")],
      has: [headers.has("B"), headers.has("a")],
      each: (() => {
        const seen = [];
        headers.forEach((value, name, self) => seen.push(name + "=" + value + (self === headers)));
        return seen;
      })(),
      copy: [...new Headers(headers)].length,
      record: [...new Headers({ X: 1, y: null })],
    };
  });
  assert.deepEqual(result, {
    entries: [["a", "1"], ["b", "2, 3"], ["set-cookie", "x=1"], ["set-cookie", "y=2"]],
    keys: ["b", "c", "set-cookie", "set-cookie"],
    get: ["4", "", null, "x=1, y=2"],
    cookies: [["x=1", "y=2"], ["x=1", "y=2"]],
    has: [true, false],
    each: ["b=4true", "c=true", "set-cookie=x=1true", "set-cookie=y=2true"],
    copy: 4,
    record: [["x", "1"], ["y", "null"]],
  });
});

test("names and values are checked", async () => {
  const result = await inWorker(() => {
    const attempts = [
      () => new Headers({ "a b": "1" }),
      () => new Headers([["", "1"]]),
      () => new Headers({ a: "1\n2" }),
      () => new Headers({ a: "\u0100" }),
      () => new Headers({ a: "1\0" }),
      () => new Headers([["a"]]),
      () => new Headers("text"),
      () => new Headers(null),
      () => new Headers().get("a:b"),
      () => new Headers().append("a"),
    ];
    return attempts.map((attempt) => {
      try {
        attempt();
        return "nothing";
      } catch (error) {
        return error.name;
      }
    });
  });
  assert.deepEqual(result, Array(10).fill("TypeError"));
});

test("headers of the visitor's request, of fetched responses and redirects cannot be changed; copies can", async () => {
  const result = await inWorker(
    async (request) => {
      const message = (work) => {
        try {
          work();
          return "changed";
        } catch (error) {
          return error.message;
        }
      };
      const response = await fetch("http://h/");
      const copy = new Response(null, response);
      return [
        message(() => request.headers.set("a", "1")),
        message(() => response.headers.append("a", "1")),
        message(() => Response.redirect("http://h/").headers.delete("location")),
        message(() => copy.headers.set("a", "1")),
        message(() => new Request(request).headers.set("a", "1")),
        copy.headers.get("a"),
        response.headers.get("a"),
        request.headers.get("x-in"),
        [...request.headers].length,
      ];
    },
    { request: { headers: ["x-in", "1", "accept", "*/*"] } },
  );
  const no = "Can't modify immutable headers.";
  assert.deepEqual(result, [no, no, no, "changed", "changed", "1", null, "1", 2]);
});

test("iteration sees changes made meanwhile", async () => {
  const result = await inWorker(() => {
    const headers = new Headers({ a: "1", c: "3" });
    const seen = [];
    for (const [name] of headers) {
      seen.push(name);
      if (name === "a") headers.append("b", "2");
    }
    return seen;
  });
  assert.deepEqual(result, ["a", "b", "c"]);
});
