import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatch, inWorker, isolate } from "./harness.js";

test("a native body is read whole by the fast paths, once", async () => {
  for (const [method, expected] of [
    ["text", "héllo"],
    ["json", null],
    ["arrayBuffer", 6],
    ["bytes", 6],
    ["blob", 6],
  ]) {
    let bodies;
    const result = await inWorker(
      async (request) => {
        const method = request.headers.get("x-method");
        const value = await request[method]().catch((error) => error.name);
        const again = await request[method]().catch((error) => error.name);
        const shown = typeof value === "string" ? value : (value.byteLength ?? value.size);
        return { shown, again, used: request.bodyUsed, kind: Object.prototype.toString.call(value) };
      },
      { request: { method: "POST", body: "héllo", headers: ["x-method", method] }, prepare: (worker) => (bodies = worker.host.bodies) },
    );
    assert.equal(result.shown, expected ?? "SyntaxError", method);
    assert.equal(result.again, "TypeError");
    assert.equal(result.used, true);
    // The body was read to its end without a JavaScript stream.
    assert.equal([...bodies.values()].length, 1);
  }
});

test("nothing is pulled from a native body until someone reads", async () => {
  const worker = await isolate({
    modules: {
      main: `export default { async fetch(request) {
        const stream = request.body;
        const copy = new Request(request);
        await new Promise((resolve) => setTimeout(resolve, 5));
        return new Response("unread " + (copy.body !== stream) + request.bodyUsed);
      } };`,
    },
  });
  const result = await dispatch(worker, { method: "POST", body: "never" });
  assert.equal(result.failure, undefined);
  assert.equal(result.text, "unread truetrue");
  assert.equal([...worker.host.bodies.values()][0].reads, 0);
});

test("a native body streams in chunks, with BYOB too, and can be canceled", async () => {
  const chunks = () => ["one", "two", "three"].map((text) => Buffer.from(text));
  const read = await inWorker(
    async (request) => {
      const seen = [];
      for await (const chunk of request.body) seen.push(new TextDecoder().decode(chunk));
      return seen;
    },
    { request: { method: "POST", body: chunks() } },
  );
  assert.deepEqual(read, ["one", "two", "three"]);
  const byob = await inWorker(
    async (request) => {
      const reader = request.body.getReader({ mode: "byob" });
      const seen = [];
      for (;;) {
        const { value, done } = await reader.read(new Uint8Array(4));
        if (done) return [...seen, value.byteLength];
        seen.push(new TextDecoder().decode(value));
      }
    },
    { request: { method: "POST", body: chunks() } },
  );
  assert.deepEqual(byob, ["one", "two", "thre", "e", 0]);
  let bodies;
  await inWorker(
    async (request) => {
      const reader = request.body.getReader();
      await reader.read();
      await reader.cancel("enough");
    },
    { request: { method: "POST", body: chunks() }, prepare: (worker) => (bodies = worker.host.bodies) },
  );
  assert.equal([...bodies.values()][0].canceled, true);
});

test("bodies of every kind: bytes and Content-Type", async () => {
  const result = await inWorker(async () => {
    const show = async (body) => {
      const response = new Response(body);
      return [response.headers.get("content-type"), await response.text()];
    };
    const form = new FormData();
    form.append("a", "1");
    const [formType, formText] = await show(form);
    return {
      text: await show("tä"),
      bytes: await show(new Uint8Array([104, 105])),
      buffer: await show(new Uint8Array([104, 105]).buffer),
      view: await show(new DataView(new Uint8Array([0, 104, 105]).buffer, 1)),
      params: await show(new URLSearchParams({ a: "b c" })),
      blob: await show(new Blob(["blob"], { type: "X/Y" })),
      stream: await show(ReadableStream.from([new Uint8Array([104]), new Uint8Array([105])])),
      number: await show(5),
      none: await show(null),
      form: [formType.replace(/boundary=.*/, "boundary="), formText.includes('name="a"\r\n\r\n1\r\n')],
      given: new Response("x", { headers: { "Content-Type": "text/html" } }).headers.get("content-type"),
    };
  });
  assert.deepEqual(result, {
    text: ["text/plain;charset=UTF-8", "tä"],
    bytes: [null, "hi"],
    buffer: [null, "hi"],
    view: [null, "hi"],
    params: ["application/x-www-form-urlencoded;charset=UTF-8", "a=b+c"],
    blob: ["x/y", "blob"],
    stream: [null, "hi"],
    number: ["text/plain;charset=UTF-8", "5"],
    none: [null, ""],
    form: ["multipart/form-data; boundary=", true],
    given: "text/html",
  });
});

test("clone gives both sides all of it; a used or locked body cannot be cloned or sent", async () => {
  const result = await inWorker(
    async (request) => {
      const copy = request.clone();
      const both = [await copy.text(), await request.text()];
      const error = (work) => {
        try {
          work();
        } catch (error) {
          return error.name;
        }
      };
      const locked = new Response("x");
      locked.body.getReader();
      const static_ = new Response("static");
      const second = static_.clone();
      return {
        both,
        statics: [await second.text(), await static_.text()],
        errors: [error(() => request.clone()), error(() => locked.clone()), error(() => new Response(request.body)), error(() => new Request("http://h/", { method: "POST", body: locked.body }))],
      };
    },
    { request: { method: "POST", body: [Buffer.from("a"), Buffer.from("b")] } },
  );
  assert.deepEqual(result, { both: ["ab", "ab"], statics: ["static", "static"], errors: Array(4).fill("TypeError") });
});

test("a body stream of anything but bytes fails", async () => {
  const result = await inWorker(async () => {
    const error = await new Response(ReadableStream.from(["text"])).text().catch((error) => error);
    const source = await new Response(new ReadableStream({ start: (c) => c.error("broken") })).text().catch((error) => error);
    return [error.name, source];
  });
  assert.deepEqual(result, ["TypeError", "broken"]);
});

test("multipart/form-data there and back, with files", async () => {
  const result = await inWorker(async () => {
    const form = new FormData();
    form.append('na"me\n', "line1\nline2");
    form.append("file", new File([new Uint8Array([0, 13, 10, 45, 45, 255])], 'a"b.bin', { type: "application/x" }));
    form.append("blob", new Blob(["b"]), "named.txt");
    form.append("blob", new Blob(["c"]));
    const back = await new Response(form).formData();
    const shown = [];
    for (const [name, value] of back) {
      shown.push(typeof value === "string" ? [name, value] : [name, value.name, value.type, [...(await value.bytes())]]);
    }
    return shown;
  });
  assert.deepEqual(result, [
    ['na"me\r\n', "line1\r\nline2"],
    ["file", 'a"b.bin', "application/x", [0, 13, 10, 45, 45, 255]],
    ["blob", "named.txt", "application/octet-stream", [98]],
    ["blob", "blob", "application/octet-stream", [99]],
  ]);
});

test("formData of what others send", async () => {
  const result = await inWorker(async () => {
    const parse = async (type, body) => {
      try {
        return [...(await new Response(body, { headers: { "content-type": type } }).formData())].map(([name, value]) => [name, typeof value === "string" ? value : `${value.name}:${value.type}`]);
      } catch (error) {
        return error.name;
      }
    };
    const type = 'multipart/form-data; charset=utf-8; boundary="a b"';
    return [
      await parse("application/x-www-form-urlencoded; charset=utf-8", "a=1&b=%20+"),
      await parse(type, "preamble\r\n--a b  \r\ncontent-DISPOSITION: form-data; name=\"x\"; filename=\"f\"\r\n\r\nabc\r\n--a b\r\nContent-Type: t/u\r\nContent-Disposition: form-data; filename=\"g\"; name=\"y\"\r\n\r\n\r\n--a b--\r\nepilogue"),
      await parse("multipart/form-data; boundary=q", "--q--\r\n"),
      await parse("multipart/form-data; boundary=q", "--q\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nno end"),
      await parse("multipart/form-data; boundary=q", "--q\r\nX: y\r\n\r\nno name\r\n--q--"),
      await parse("multipart/form-data", "x"),
      await parse("text/plain", "x"),
    ];
  });
  assert.deepEqual(result, [
    [["a", "1"], ["b", "  "]],
    [["x", "f:text/plain"], ["y", "g:t/u"]],
    [],
    "TypeError",
    "TypeError",
    "TypeError",
    "TypeError",
  ]);
});

test("FormData: append, set, get, getAll, has, delete, iteration", async () => {
  const result = await inWorker(() => {
    const form = new FormData();
    form.append("a", 1);
    form.append("b", "2");
    form.append("a", "3");
    const before = [form.get("a"), form.getAll("a"), form.has("b"), form.get("x")];
    form.set("a", "4");
    form.set("c", new Blob(["z"]), "z.txt");
    form.delete("b");
    let refused;
    try {
      form.append("d", "text", "name");
    } catch (error) {
      refused = error.name;
    }
    return { before, keys: [...form.keys()], file: form.get("c").name, isFile: form.get("c") instanceof File, refused };
  });
  assert.deepEqual(result, { before: ["1", ["1", "3"], true, null], keys: ["a", "c"], file: "z.txt", isFile: true, refused: "TypeError" });
});

test("Blob: parts, slices, types, streams", async () => {
  const result = await inWorker(async () => {
    const blob = new Blob(["ab", new Uint8Array([99]), new Blob(["de"])], { type: "Text/Plain" });
    const slice = blob.slice(1, -1, "a/B");
    const large = new Blob([new Uint8Array(150000)]);
    const sizes = [];
    for await (const chunk of large.stream()) sizes.push(chunk.length);
    return {
      all: [await blob.text(), blob.size, blob.type],
      slice: [await slice.text(), slice.type, slice.size],
      nested: await blob.slice(1).slice(1, 3).text(),
      lines: await new Blob(["a\r\nb\rc"], { endings: "native" }).text(),
      odd: new Blob([], { type: "t\u00e9" }).type,
      sizes,
      buffer: (await slice.arrayBuffer()).byteLength,
      file: (() => {
        const file = new File(["x"], "n", { lastModified: 5 });
        return [file.name, file.lastModified, file.size, file instanceof Blob];
      })(),
    };
  });
  assert.deepEqual(result, {
    all: ["abcde", 5, "text/plain"],
    slice: ["bcd", "a/b", 3],
    nested: "cd",
    lines: "a\nb\nc",
    odd: "",
    sizes: [65536, 65536, 18928],
    buffer: 3,
    file: ["n", 5, 1, true],
  });
});
