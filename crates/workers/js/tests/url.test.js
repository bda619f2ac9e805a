import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

test("URL has all parts, and setters change them", async () => {
  const result = await inWorker(() => {
    const url = new URL("../b?q=1#f", "https://u:p@example.com:8443/a/c/");
    const parts = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"].map((name) => url[name]);
    url.port = "443";
    url.pathname = "/x y";
    url.protocol = "http:";
    url.hash = "";
    url.username = url.password = "";
    return { parts, after: url.href, text: String(url), json: JSON.stringify(url) };
  });
  assert.deepEqual(result.parts, [
    "https://u:p@example.com:8443/a/b?q=1#f",
    "https://example.com:8443",
    "https:",
    "u",
    "p",
    "example.com:8443",
    "example.com",
    "8443",
    "/a/b",
    "?q=1",
    "#f",
  ]);
  assert.equal(result.after, "http://example.com/x%20y?q=1");
  assert.equal(result.text, result.after);
  assert.equal(result.json, JSON.stringify(result.after));
});

test("URL refuses what does not parse; parse and canParse say so", async () => {
  const result = await inWorker(() => {
    const name = (work) => {
      try {
        work();
      } catch (error) {
        return error.name;
      }
    };
    return [
      name(() => new URL("/relative")),
      name(() => new URL()),
      name(() => (new URL("http://x/").href = "nothing")),
      URL.parse("/relative"),
      URL.parse("/x", "http://h/").href,
      URL.canParse("nothing"),
      URL.canParse("http://h/"),
    ];
  });
  assert.deepEqual(result, ["TypeError", "TypeError", "TypeError", null, "http://h/x", false, true]);
});

test("a URL and its searchParams follow each other", async () => {
  const result = await inWorker(() => {
    const url = new URL("http://h/?a=1&a=2#f");
    const params = url.searchParams;
    const seen = [params === url.searchParams];
    params.append("b", "ä &");
    seen.push(url.href);
    url.search = "?z=9";
    seen.push([...params]);
    params.delete("z");
    seen.push(url.href);
    url.href = "http://h/?new=1";
    seen.push(params.get("new"));
    url.search = "";
    seen.push(params.size);
    return seen;
  });
  assert.deepEqual(result, [
    true,
    "http://h/?a=1&a=2&b=%C3%A4+%26#f",
    [["z", "9"]],
    "http://h/#f",
    "1",
    0,
  ]);
});

test("URLSearchParams reads text, records, pairs and iterables", async () => {
  const result = await inWorker(() => {
    const text = (init) => new URLSearchParams(init).toString();
    const refused = [[["a"]], [1]].map((init) => {
      try {
        return text(init);
      } catch (error) {
        return error.name;
      }
    });
    return [
      text("?a=1&b=2"),
      text("a+b=%2B%20&=&x"),
      text({ a: 1, b: null }),
      text([["a", "1"], new Set(["b", "2"])]),
      text(new URLSearchParams("q=%zz")),
      text("\uD800=%ff"),
      refused,
    ];
  });
  assert.deepEqual(result, [
    "a=1&b=2",
    "a+b=%2B+&=&x=",
    "a=1&b=null",
    "a=1&b=2",
    "q=%25zz",
    "%EF%BF%BD=%EF%BF%BD",
    ["TypeError", "TypeError"],
  ]);
});

test("URLSearchParams: get, getAll, has, set, delete, sort, iteration while changing", async () => {
  const result = await inWorker(() => {
    const params = new URLSearchParams("b=1&a=2&b=3&\ufb03=4&\ud83c\udf08=5");
    const found = [params.get("b"), params.getAll("b"), params.get("none"), params.has("b", "3"), params.has("b", "4"), params.size];
    params.set("b", "9");
    params.set("c", "8");
    params.sort();
    const sorted = [...params.keys()];
    params.delete("b", "0");
    params.delete("b");
    const each = [];
    params.forEach((value, key, self) => each.push([key, value, self === params]));
    const live = new URLSearchParams("a=1&b=2&c=3");
    const visited = [];
    for (const [key] of live) {
      visited.push(key);
      live.delete("b");
    }
    return { found, sorted, each: each[0], visited };
  });
  assert.deepEqual(result, {
    found: ["1", ["1", "3"], null, true, false, 5],
    sorted: ["a", "b", "c", "\ud83c\udf08", "\ufb03"],
    each: ["a", "2", true],
    visited: ["a", "c"],
  });
});
