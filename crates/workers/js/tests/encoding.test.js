import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

test("TextEncoder encodes, also into a buffer that is too small", async () => {
  const result = await inWorker(() => {
    const encoder = new TextEncoder();
    const into = (text, size) => {
      const bytes = new Uint8Array(size);
      return [encoder.encodeInto(text, bytes), [...bytes]];
    };
    return [
      [...encoder.encode("aä€😀\ud800")],
      [...encoder.encode()],
      into("aä€😀", 10),
      into("aä€😀", 9),
      into("a€", 3),
      into("\udc00x", 4),
      encoder.encoding,
    ];
  });
  assert.deepEqual(result, [
    [97, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xef, 0xbf, 0xbd],
    [],
    [{ read: 5, written: 10 }, [97, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80]],
    [{ read: 3, written: 6 }, [97, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0, 0, 0]],
    [{ read: 1, written: 1 }, [97, 0, 0]],
    [{ read: 2, written: 4 }, [0xef, 0xbf, 0xbd, 0x78]],
    "utf-8",
  ]);
});

test("TextDecoder: labels, byte order mark, fatal, streaming; no decoder of the host is left behind", async () => {
  let decoders;
  const result = await inWorker(
    () => {
      const name = (work) => {
        try {
          return work();
        } catch (error) {
          return error.name;
        }
      };
      const marked = new Uint8Array([0xef, 0xbb, 0xbf, 0x61]);
      const euro = [0xe2, 0x82, 0xac];
      const streaming = new TextDecoder();
      const parts = [streaming.decode(new Uint8Array(euro.slice(0, 2)), { stream: true }), streaming.decode(new Uint8Array(euro.slice(2)), { stream: true }), streaming.decode()];
      const broken = new TextDecoder("utf-8", { fatal: true });
      return {
        labels: [" UTF8 ", "latin1", "utf-16le", "Shift_JIS"].map((label) => new TextDecoder(label).encoding),
        unknown: name(() => new TextDecoder("no-such")),
        mark: [new TextDecoder().decode(marked).length, new TextDecoder("utf-8", { ignoreBOM: true }).decode(marked).length],
        sources: [new TextDecoder().decode(marked.buffer), new TextDecoder().decode(new DataView(marked.buffer, 3)), new TextDecoder().decode()],
        latin2: new TextDecoder("iso-8859-2").decode(new Uint8Array([0xb1])),
        replaced: new TextDecoder().decode(new Uint8Array([0xff, 0x61])),
        fatal: [name(() => broken.decode(new Uint8Array([0xff]))), broken.decode(new Uint8Array([0x61])), broken.fatal],
        parts,
        wrong: name(() => new TextDecoder().decode("text")),
      };
    },
    { prepare: (worker) => (decoders = worker.host.decoders) },
  );
  assert.deepEqual(result, {
    labels: ["utf-8", "windows-1252", "utf-16le", "shift_jis"],
    unknown: "RangeError",
    mark: [1, 2],
    sources: ["a", "a", ""],
    latin2: "ą",
    replaced: "\ufffda",
    fatal: ["TypeError", "a", true],
    parts: ["", "€", ""],
    wrong: "TypeError",
  });
  assert.equal(decoders.size, 0);
});

test("TextEncoderStream and TextDecoderStream carry what chunks cut in two", async () => {
  const result = await inWorker(async () => {
    const collect = async (stream) => {
      const chunks = [];
      for await (const chunk of stream) chunks.push(typeof chunk === "string" ? chunk : [...chunk]);
      return chunks;
    };
    const encoded = await collect(ReadableStream.from(["a\ud83d", "\ude00", "\ud83d"]).pipeThrough(new TextEncoderStream()));
    const bytes = [new Uint8Array([0xf0, 0x9f]), new Uint8Array([0x98, 0x80, 0x61]), new Uint8Array([0xc3])];
    const decoded = await collect(ReadableStream.from(bytes).pipeThrough(new TextDecoderStream()));
    const fatal = await collect(ReadableStream.from([new Uint8Array([0xff])]).pipeThrough(new TextDecoderStream("utf-8", { fatal: true }))).catch((error) => error.name);
    const wrong = await collect(ReadableStream.from(["text"]).pipeThrough(new TextDecoderStream())).catch((error) => error.name);
    return { encoded, decoded: decoded.join("|"), fatal, wrong };
  });
  assert.deepEqual(result, {
    encoded: [[97], [0xf0, 0x9f, 0x98, 0x80], [0xef, 0xbf, 0xbd]],
    decoded: "😀a|\ufffd",
    fatal: "TypeError",
    wrong: "TypeError",
  });
});
