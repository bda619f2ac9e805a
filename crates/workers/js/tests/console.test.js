import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

async function logs(work) {
  let lines;
  await inWorker(work, { prepare: (worker) => (lines = worker.host.logs) });
  return lines.map(({ level, values }) => [level, ...values.map((text) => JSON.parse(text))]);
}

test("levels, and what JSON can say", async () => {
  const lines = await logs(() => {
    console.log("text", 1, true, null, { a: [1, { b: "c" }] }, [1, 2]);
    console.debug("d");
    console.info("i");
    console.warn("w");
    console.error("e");
    console.log();
  });
  assert.deepEqual(lines, [
    ["log", "text", 1, true, null, { a: [1, { b: "c" }] }, [1, 2]],
    ["debug", "d"],
    ["info", "i"],
    ["warn", "w"],
    ["error", "e"],
    ["log"],
  ]);
});

test("what JSON cannot say is shown, and nothing throws", async () => {
  const lines = await logs(() => {
    const cyclic = { name: "c" };
    cyclic.self = cyclic;
    class Point {
      x = 1;
    }
    const evil = new Proxy({}, {
      ownKeys() {
        throw new Error("no");
      },
      getPrototypeOf() {
        throw new Error("no");
      },
    });
    console.log(undefined, NaN, -0, 10n, Symbol("s"), () => 1, class A {}, new Point());
    console.log(new Map([["k", { v: 1n }]]), new Set([1, "two"]), new Date(0), /re/g, new Uint8Array([1, 2]), new ArrayBuffer(3));
    console.log(cyclic, evil, { get secret() { throw new Error("called"); } }, Object.assign([], { 0: 1, 2: 3 }), new URL("http://h/"), new Headers({ a: "b" }), new Date(NaN));
    let deep = {};
    for (let i = 0; i < 100000; i++) deep = { deep };
    console.log(deep);
    console.log(new Array(1e9), "x".repeat(1e6).length);
  });
  assert.deepEqual(lines[0], ["log", "undefined", "NaN", 0, "10n", "Symbol(s)", "[Function (anonymous)]", "[class: A]", "Point { x: 1 }"]);
  assert.deepEqual(lines[1], [
    "log",
    'Map(1) { "k" => { v: 1n } }',
    'Set(2) { 1, "two" }',
    "1970-01-01T00:00:00.000Z",
    "/re/g",
    "Uint8Array(2) [ 1, 2 ]",
    "ArrayBuffer { byteLength: 3 }",
  ]);
  assert.equal(lines[2][1], '{ name: "c", self: [Circular] }');
  assert.equal(lines[2][2], "[value that cannot be shown]");
  assert.equal(lines[2][3], "{ secret: [Getter] }");
  assert.equal(lines[2][4], "[ 1, <1 empty item>, 3 ]");
  assert.equal(lines[2][5], 'URL { "http://h/" }');
  assert.equal(lines[2][6], 'Headers { a: "b" }');
  assert.equal(lines[2][7], "Invalid Date");
  assert.match(lines[3][1], /\[Object\]/);
  assert.equal(lines[4][2], 1e6);
});

test("errors come with stack, cause and properties", async () => {
  const lines = await logs(() => {
    console.error(new TypeError("bad", { cause: new Error("root") }));
    const error = new Error("with");
    error.code = "E";
    console.error("failed:", error);
    console.error(new DOMException("gone", "AbortError"));
  });
  assert.match(lines[0][1], /^TypeError: bad\n {4}at .*\[cause\]: Error: root/s);
  assert.match(lines[1][2], /^Error: with\n {4}at .*code: "E"/s);
  assert.match(lines[2][1], /^AbortError: gone/);
});

test("formatting, groups, counters, timers, tables, assertions, traces", async () => {
  const lines = await logs(() => {
    console.log("%s is %d years, %i, %f, %o %% %j %c!", "Ann", 42.5, 42.5, "1.5", { a: 1 }, { b: 2 }, "color: red", "rest");
    console.log("%s", Symbol("x"));
    console.log("100%", 1);
    console.group("outer");
    console.log("two\nlines");
    console.groupEnd();
    console.log("after");
    console.count();
    console.count("n");
    console.count();
    console.countReset("n");
    console.countReset("missing");
    console.time("t");
    console.timeLog("t", "more");
    console.timeEnd("t");
    console.timeEnd("t");
    console.assert(true, "not shown");
    console.assert(false, "why %s", "x");
    console.assert(false);
    console.table([{ a: 1, b: "x" }, { a: 2 }]);
    console.dir({ a: 1 });
    console.trace("here");
  });
  assert.deepEqual(lines[0], ["log", 'Ann is 42.5 years, 42, 1.5, { a: 1 } % {"b":2} !', "rest"]);
  assert.deepEqual(lines[1], ["log", "Symbol(x)"]);
  assert.deepEqual(lines[2], ["log", "100%", 1]);
  assert.deepEqual(lines.slice(3, 6), [["log", "outer"], ["log", "  two\n  lines"], ["log", "after"]]);
  assert.deepEqual(lines.slice(6, 9), [["info", "default: 1"], ["info", "n: 1"], ["info", "default: 2"]]);
  assert.deepEqual(lines[9], ["warn", "Count for 'missing' does not exist"]);
  assert.match(lines[10][1], /^t: \d+\.\d{3}ms$/);
  assert.equal(lines[10][2], "more");
  assert.match(lines[11][1], /^t: \d+\.\d{3}ms$/);
  assert.deepEqual(lines[12], ["warn", "Timer 't' does not exist"]);
  assert.deepEqual(lines.slice(13, 15), [["error", "Assertion failed: why x"], ["error", "Assertion failed"]]);
  assert.equal(lines[15][1], '| (index) | a | b   |\n|---------|---|-----|\n| 0       | 1 | "x" |\n| 1       | 2 |     |');
  assert.deepEqual(lines[16], ["log", "{ a: 1 }"]);
  assert.equal(lines[17][0], "debug");
  assert.match(lines[17][2], /^Trace\n/);
});
