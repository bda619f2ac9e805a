import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatch, inWorker, isolate } from "./harness.js";

test("interfaces are not enumerable, functions are; names, lengths and tags are right", async () => {
  const result = await inWorker(() => {
    const enumerable = (name) => Object.getOwnPropertyDescriptor(globalThis, name).enumerable;
    const tag = (value) => Object.prototype.toString.call(value);
    return {
      interfaces: ["Request", "ReadableStream", "URL", "console"].map(enumerable),
      functions: ["fetch", "atob", "setTimeout", "structuredClone"].map(enumerable),
      names: [Response.name, fetch.name, Headers.prototype.getSetCookie.name, Object.getOwnPropertyDescriptor(Response.prototype, "ok").get.name],
      lengths: [Request.length, Response.length, Headers.length, fetch.length, URL.length, Headers.prototype.append.length, WritableStream.length, File.length, setTimeout.length],
      tags: [tag(new Headers()), tag(new URLSearchParams()), tag(new Headers().entries()), tag(crypto), tag(performance), tag(console), tag(new Response())],
      methods: [Object.keys(Headers.prototype).includes("append"), Object.getOwnPropertyDescriptor(Response, "json").enumerable],
      self: self === globalThis,
      agent: navigator.userAgent,
      host: typeof __host,
    };
  });
  assert.deepEqual(result, {
    interfaces: [false, false, false, false],
    functions: [true, true, true, true],
    names: ["Response", "fetch", "getSetCookie", "get ok"],
    lengths: [1, 0, 0, 1, 1, 2, 0, 2, 1],
    tags: [
      "[object Headers]",
      "[object URLSearchParams]",
      "[object Headers Iterator]",
      "[object Crypto]",
      "[object Performance]",
      "[object console]",
      "[object Response]",
    ],
    methods: [true, true],
    self: true,
    agent: "Cloudflare-Workers",
    host: "undefined",
  });
});

test("interfaces cannot be called without new, and methods not on other objects", async () => {
  const result = await inWorker(async () => {
    const thrown = (work) => {
      try {
        work();
        return "nothing";
      } catch (error) {
        return error.name;
      }
    };
    return [
      thrown(() => Headers()),
      thrown(() => Response.prototype.clone.call({})),
      thrown(() => Object.getOwnPropertyDescriptor(Request.prototype, "url").get.call({})),
      thrown(() => new Crypto()),
      thrown(() => new ReadableStreamDefaultController()),
      await Response.prototype.text.call({}).catch((error) => error.name),
      await ReadableStream.prototype.cancel.call({}).catch((error) => error.name),
    ];
  });
  assert.deepEqual(result, Array(7).fill("TypeError"));
});

test("timers pass arguments, repeat, and can be cleared", async () => {
  const result = await inWorker(async () => {
    const seen = [];
    setTimeout((...values) => seen.push(values), 1, "a", 2);
    const cleared = setTimeout(() => seen.push("cleared"), 1);
    clearTimeout(cleared);
    await new Promise((resolve) => {
      let count = 0;
      const id = setInterval(() => {
        count += 1;
        seen.push(count);
        if (count === 3) {
          clearInterval(id);
          setTimeout(resolve, 5);
        }
      }, 1);
    });
    clearTimeout(undefined);
    clearTimeout(99999);
    await scheduler.wait(1);
    const waited = await scheduler.wait(1000, { signal: AbortSignal.abort("no") }).catch((reason) => reason);
    return { seen, waited, id: typeof cleared };
  });
  assert.deepEqual(result.seen.filter((item) => typeof item === "number"), [1, 2, 3]);
  assert.deepEqual(result.seen.find((item) => Array.isArray(item)), ["a", 2]);
  assert.equal(result.seen.includes("cleared"), false);
  assert.equal(result.waited, "no");
  assert.equal(result.id, "number");
});

test("an exception in a timer or microtask is reported, and the invocation goes on", async () => {
  let errors;
  const result = await inWorker(
    async () => {
      queueMicrotask(() => {
        throw new Error("microtask");
      });
      setTimeout(() => {
        throw new Error("timer");
      });
      reportError(new Error("reported"));
      await new Promise((resolve) => setTimeout(resolve, 5));
      return "alive";
    },
    { prepare: (worker) => (errors = worker.host.errors) },
  );
  assert.equal(result, "alive");
  assert.deepEqual(errors.map(({ error }) => error.message).sort(), ["microtask", "reported", "timer"]);
});

test("atob, btoa, crypto, performance", async () => {
  const result = await inWorker(() => {
    const name = (work) => {
      try {
        work();
      } catch (error) {
        return error.name;
      }
    };
    const random = crypto.getRandomValues(new Uint32Array(4));
    const now = performance.now();
    return {
      base64: [btoa("hello\u00ff"), atob(" aGVs bG8= ")],
      bad: [name(() => atob("*")), name(() => btoa("\u0100"))],
      random: [random instanceof Uint32Array, random.some((value) => value !== 0)],
      refused: [name(() => crypto.getRandomValues(new Float64Array(1))), name(() => crypto.getRandomValues(new Uint8Array(65537))), name(() => crypto.getRandomValues([]))],
      uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()),
      subtle: crypto.subtle instanceof SubtleCrypto,
      performance: [now >= 0, performance.timeOrigin > 1e12],
    };
  });
  assert.deepEqual(result, {
    base64: ["aGVsbG//", "hello"],
    bad: ["InvalidCharacterError", "InvalidCharacterError"],
    random: [true, true],
    refused: ["TypeMismatchError", "QuotaExceededError", "TypeError"],
    uuid: true,
    subtle: true,
    performance: [true, true],
  });
});

test("QuotaExceededError", async () => {
  const result = await inWorker(() => {
    const name = (work) => {
      try {
        work();
        return "nothing";
      } catch (error) {
        return error.constructor.name;
      }
    };
    const { QuotaExceededError } = globalThis;
    const error = new QuotaExceededError("too much", { quota: 1, requested: 2 });
    const copy = structuredClone(error);
    return [
      [error instanceof DOMException, error.name, error.code, error.message, error.quota, error.requested],
      [copy instanceof QuotaExceededError, copy.message, copy.quota, copy.requested],
      new QuotaExceededError().quota,
      name(() => new QuotaExceededError("", { quota: -1 })),
      name(() => new QuotaExceededError("", { quota: 2, requested: 1 })),
      name(() => new QuotaExceededError("", { quota: NaN })),
      name(() => crypto.getRandomValues(new Uint8Array(65537))),
    ];
  });
  assert.deepEqual(result, [
    [true, "QuotaExceededError", 22, "too much", 1, 2],
    [true, "too much", 1, 2],
    null,
    "RangeError",
    "RangeError",
    "TypeError",
    "QuotaExceededError",
  ]);
});

test("what gives promises rejects when its `this` is wrong", async () => {
  const result = await inWorker(async () => {
    const operations = [
      Request.prototype.text,
      Response.prototype.json,
      Blob.prototype.text,
      ReadableStream.prototype.cancel,
      ReadableStreamDefaultReader.prototype.read,
      ReadableStreamBYOBReader.prototype.cancel,
      WritableStream.prototype.abort,
      WritableStreamDefaultWriter.prototype.write,
      crypto.subtle.encrypt,
    ];
    const names = [];
    for (const operation of operations) for (const self of [null, 1, {}]) names.push(await operation.call(self).catch((error) => error.name));
    return [names.length, [...new Set(names)]];
  });
  assert.deepEqual(result, [27, ["TypeError"]]);
});

test("I/O, timers and random values are refused in global scope", async () => {
  const result = await inWorker(() => globalThis.refusals, {
    top: `globalThis.refusals = [];
      const attempts = [() => setTimeout(() => {}, 1), () => crypto.randomUUID(), () => crypto.getRandomValues(new Uint8Array(1)), () => AbortSignal.timeout(1)];
      for (const attempt of attempts) try { attempt(); refusals.push("allowed"); } catch (error) { refusals.push(error.message.slice(0, 51)); }
      await fetch("http://x/").catch((error) => refusals.push(error.message.slice(0, 51)));
      await scheduler.wait(1).catch((error) => refusals.push(error.message.slice(0, 51)));`,
  });
  assert.deepEqual(result, Array(6).fill("Disallowed operation called within global scope. As"));
});

test("structuredClone refuses what belongs to the platform", async () => {
  const result = await inWorker(() => {
    const name = (value) => {
      try {
        structuredClone(value);
        return "cloned";
      } catch (error) {
        return error.name;
      }
    };
    return [name(new Response()), name({ inside: [new Headers()] }), name(new URL("http://x/")), name({ a: [1] })];
  });
  assert.deepEqual(result, ["DataCloneError", "DataCloneError", "DataCloneError", "cloned"]);
});

const patches = `
  const evil = () => { throw new Error("a patched method was called"); };
  const { defineProperty } = Object;
  const victims = [];
  for (const prototype of [Array.prototype, String.prototype, Map.prototype, Set.prototype, Function.prototype, RegExp.prototype, Promise.prototype, Uint8Array.prototype.__proto__, ArrayBuffer.prototype, [][Symbol.iterator]().__proto__]) {
    for (const name of Reflect.ownKeys(prototype)) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
      if (name === "constructor" || !descriptor.configurable || typeof descriptor.value !== "function") continue;
      victims[victims.length] = { prototype, name };
    }
  }
  globalThis.patch = () => {
    const patched = { value: evil, configurable: true, writable: true };
    for (let i = 0; i < victims.length; i++) defineProperty(victims[i].prototype, victims[i].name, patched);
    globalThis.Promise = globalThis.Map = globalThis.Uint8Array = globalThis.TypeError = globalThis.Object = undefined;
    globalThis.JSON = globalThis.Reflect = globalThis.Symbol = undefined;
  };
`;

test("built-ins work when everything a Worker can reach is patched", async () => {
  const worker = await isolate({
    bindings: [{ name: "API", type: "vpc_service" }],
    modules: {
      main: `${patches}
        export default { async fetch(request, env, ctx) {
          patch();
          const given = await request.text();
          const headers = new Headers({ "x-a": "1", "x-b": "2" });
          headers.append("x-a", "3");
          const answer = await env.API.fetch("http://api/" + new URL(request.url).pathname, { method: "POST", headers, body: given });
          console.log("logged", { a: [1, 2] }, answer);
          const params = new URLSearchParams("a=1&b=%20");
          params.append("c", "3");
          const stream = answer.body.pipeThrough(new TransformStream());
          setTimeout(() => {}, 1);
          return new Response(stream, { headers: { "x-params": params.toString() } });
        } };`,
    },
  });
  worker.host.onFetch = async (call) => ({ body: `got ${await call.body}` });
  const result = await dispatch(worker, { method: "POST", url: "http://w/p", body: "in" });
  assert.equal(result.failure, undefined);
  assert.equal(result.text, "got in");
  assert.deepEqual(result.headers, ["x-params", "a=1&b=+&c=3"]);
  assert.deepEqual(worker.host.calls[0].headers, ["x-a", "1", "x-b", "2", "x-a", "3", "content-type", "text/plain;charset=UTF-8"]);
  assert.equal(worker.host.logs.length, 1);
});

test("thenables on Object.prototype do not see what the built-ins pass around", async () => {
  const result = await inWorker(async (request) => {
    const seen = [];
    Object.defineProperty(Object.prototype, "then", {
      configurable: true,
      get() {
        seen.push(Object.prototype.toString.call(this));
        return undefined;
      },
    });
    const text = await new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array([104, 105])); c.close(); } })).text();
    const native = await request.text();
    delete Object.prototype.then;
    return { text, native, bytes: seen.filter((tag) => tag.includes("Array")) };
  }, { request: { method: "POST", body: "native" } });
  assert.deepEqual(result, { text: "hi", native: "native", bytes: [] });
});
