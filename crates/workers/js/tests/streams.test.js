import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

test("ReadableStream: queue, back-pressure, close, error, cancel", async () => {
  const result = await inWorker(async () => {
    const seen = [];
    const stream = new ReadableStream(
      {
        start(controller) {
          seen.push(["start", controller.desiredSize]);
        },
        pull(controller) {
          seen.push("pull");
          controller.enqueue("x".repeat(seen.length));
        },
        cancel(reason) {
          seen.push(["cancel", reason]);
        },
      },
      { highWaterMark: 5, size: (chunk) => chunk.length },
    );
    await new Promise((resolve) => setTimeout(resolve, 2));
    const reader = stream.getReader();
    const first = await reader.read();
    const locked = [stream.locked, await stream.cancel().catch((error) => error.name)];
    await reader.cancel("enough");
    const closed = await reader.read();
    reader.releaseLock();
    const released = await reader.read().catch((error) => error.name);
    const failed = new ReadableStream({ start: (controller) => controller.error("why") });
    const error = await failed.getReader().read().catch((reason) => reason);
    return { seen, first, locked, closed, released, error };
  });
  assert.deepEqual(result.seen.filter((item) => Array.isArray(item)), [["start", 5], ["cancel", "enough"]]);
  assert.deepEqual(result.first, { value: "xx", done: false });
  assert.deepEqual(result.locked, [true, "TypeError"]);
  assert.deepEqual(result.closed, { done: true });
  assert.equal(result.released, "TypeError");
  assert.equal(result.error, "why");
});

test("byte streams: BYOB requests, min, autoAllocateChunkSize, tee", async () => {
  const result = await inWorker(async () => {
    let count = 0;
    const source = () => ({
      type: "bytes",
      autoAllocateChunkSize: 4,
      pull(controller) {
        const { view } = controller.byobRequest;
        count += 1;
        view[0] = count;
        controller.byobRequest.respond(1);
        if (count === 6) controller.close();
      },
    });
    const plain = new ReadableStream(source()).getReader();
    const first = await plain.read();
    plain.releaseLock();
    count = 0;
    const byob = new ReadableStream(source()).getReader({ mode: "byob" });
    const filled = await byob.read(new Uint8Array(4), { min: 3 });
    const words = await byob.readAtLeast(1, new Uint16Array(1));
    const refused = await byob.read(new Uint8Array(0)).catch((error) => error.name);
    const queue = new ReadableStream({
      type: "bytes",
      start(controller) {
        controller.enqueue(new Uint8Array([1, 2, 3]));
        controller.close();
      },
    });
    const [left, right] = queue.tee();
    const collect = async (stream) => {
      const all = [];
      for await (const chunk of stream) all.push(...chunk);
      return all;
    };
    const both = await Promise.all([collect(left), collect(right)]);
    const reader = new ReadableStream().getReader;
    return {
      first: [...first.value],
      filled: [...filled.value],
      words: words.value.length,
      refused,
      both,
      noByob: (() => {
        try {
          reader.call(new ReadableStream(), { mode: "byob" });
        } catch (error) {
          return error.name;
        }
      })(),
    };
  });
  assert.deepEqual(result, { first: [1], filled: [1, 2, 3], words: 1, refused: "TypeError", both: [[1, 2, 3], [1, 2, 3]], noByob: "TypeError" });
});

test("from, async iteration, tee, pipeTo with its options", async () => {
  const result = await inWorker(async () => {
    const collect = async (stream) => {
      const all = [];
      for await (const chunk of stream) all.push(chunk);
      return all;
    };
    async function* generate() {
      yield 1;
      yield 2;
    }
    let returned;
    const iterable = {
      [Symbol.iterator]: () => ({
        next: () => ({ value: "v", done: false }),
        return(reason) {
          returned = reason;
          return {};
        },
      }),
    };
    for await (const chunk of ReadableStream.from(iterable)) {
      if (chunk === "v") break;
    }
    const [a, b] = ReadableStream.from(["x", "y"]).tee();
    const written = [];
    const sink = (extra = {}) =>
      new WritableStream({
        write: (chunk) => void written.push(chunk),
        close: () => void written.push("closed"),
        abort: (reason) => void written.push(["aborted", reason]),
        ...extra,
      });
    await ReadableStream.from([1, 2]).pipeTo(sink());
    await ReadableStream.from([3]).pipeTo(sink(), { preventClose: true });
    const failing = new ReadableStream({ start: (controller) => controller.error("bad") });
    const error = await failing.pipeTo(sink()).catch((reason) => reason);
    let canceled;
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(0), cancel: (reason) => (canceled = reason) });
    const full = await endless.pipeTo(new WritableStream({ write() { throw "full"; } })).catch((reason) => reason);
    const controller = new AbortController();
    const aborted = new ReadableStream().pipeTo(sink(), { signal: controller.signal }).catch((reason) => reason);
    controller.abort("stop");
    return {
      generated: await collect(ReadableStream.from(generate())),
      returned: returned === undefined,
      teed: [await collect(a), await collect(b)],
      written,
      error,
      full: [full, canceled],
      aborted: await aborted,
    };
  });
  assert.deepEqual(result, {
    generated: [1, 2],
    returned: true,
    teed: [["x", "y"], ["x", "y"]],
    written: [1, 2, "closed", 3, ["aborted", "bad"], ["aborted", "stop"]],
    error: "bad",
    full: ["full", "full"],
    aborted: "stop",
  });
});

test("WritableStream: order, ready, desiredSize, close, abort with signal", async () => {
  const result = await inWorker(async () => {
    const seen = [];
    let release;
    const stream = new WritableStream(
      {
        start: () => void seen.push("start"),
        write: (chunk) => {
          seen.push(chunk);
          return new Promise((resolve) => (release = resolve));
        },
        close: () => void seen.push("close"),
      },
      new CountQueuingStrategy({ highWaterMark: 2 }),
    );
    const writer = stream.getWriter();
    await writer.ready;
    const sizes = [writer.desiredSize];
    const writes = [writer.write("a"), writer.write("b")];
    sizes.push(writer.desiredSize);
    await new Promise((resolve) => setTimeout(resolve, 1));
    release();
    await writes[0];
    await writer.ready;
    sizes.push(writer.desiredSize);
    release();
    await writer.close();
    const late = await writer.write("c").catch((error) => error.name);
    let signaled;
    const aborting = new WritableStream({
      write: (chunk, controller) => new Promise((resolve, reject) => {
        controller.signal.addEventListener("abort", () => {
          signaled = controller.signal.reason;
          reject("gave up");
        });
      }),
      abort: (reason) => void seen.push(["abort", reason]),
    });
    const second = aborting.getWriter();
    const pending = second.write(1).catch((reason) => reason);
    await new Promise((resolve) => setTimeout(resolve, 1));
    const aborted = await second.abort("stop").then(() => "done", (reason) => reason);
    return { seen, sizes, late, signaled, pending: await pending, aborted, closed: await second.closed.catch((reason) => reason) };
  });
  assert.deepEqual(result, {
    seen: ["start", "a", "b", "close", ["abort", "stop"]],
    sizes: [2, 0, 1],
    late: "TypeError",
    signaled: "stop",
    pending: "gave up",
    aborted: "done",
    closed: "stop",
  });
});

test("TransformStream: transform, flush, terminate, error, cancel on both sides", async () => {
  const result = await inWorker(async () => {
    const collect = async (stream) => {
      const all = [];
      for await (const chunk of stream) all.push(chunk);
      return all;
    };
    const doubled = await collect(
      ReadableStream.from([1, 2]).pipeThrough(
        new TransformStream({
          start: (controller) => controller.enqueue("start"),
          transform: (chunk, controller) => controller.enqueue(chunk * 2),
          flush: (controller) => controller.enqueue("end"),
        }),
      ),
    );
    const cut = await collect(
      ReadableStream.from([1, 2, 3]).pipeThrough(
        new TransformStream({
          transform(chunk, controller) {
            if (chunk === 2) controller.terminate();
            else controller.enqueue(chunk);
          },
        }),
      ),
    );
    const thrown = await collect(ReadableStream.from([1]).pipeThrough(new TransformStream({ transform() { throw "bad"; } }))).catch((reason) => reason);
    const reasons = [];
    const fromReader = new TransformStream({ cancel: (reason) => void reasons.push(["reader", reason]) });
    await fromReader.readable.cancel("r");
    reasons.push(await fromReader.writable.getWriter().closed.catch((reason) => reason));
    const fromWriter = new TransformStream({ cancel: (reason) => void reasons.push(["writer", reason]), flush: () => void reasons.push("flush") });
    await fromWriter.writable.abort("w");
    reasons.push(await fromWriter.readable.getReader().read().catch((reason) => reason));
    const throwing = new TransformStream({ cancel() { throw "from cancel"; } });
    const writer = throwing.writable.getWriter();
    reasons.push(await throwing.readable.cancel("x").catch((reason) => reason), await writer.closed.catch((reason) => reason));
    return { doubled, cut, thrown, reasons };
  });
  assert.deepEqual(result, {
    doubled: ["start", 2, 4, "end"],
    cut: [1],
    thrown: "bad",
    reasons: [["reader", "r"], "r", ["writer", "w"], "w", "from cancel", "from cancel"],
  });
});

test("IdentityTransformStream and FixedLengthStream pass bytes, with BYOB, and count them", async () => {
  const result = await inWorker(async () => {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const writes = [writer.write(new Uint8Array([1, 2, 3])), writer.write(new Uint8Array([4]).buffer), writer.close()];
    const reader = readable.getReader({ mode: "byob" });
    const chunks = [];
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(2));
      if (done) break;
      chunks.push([...value]);
    }
    await Promise.all(writes);
    const wrong = await new IdentityTransformStream().writable.getWriter().write("text").catch((error) => error.name);
    const outcome = async (length, bytes) => {
      const fixed = new FixedLengthStream(length);
      const writer = fixed.writable.getWriter();
      const reading = new Response(fixed.readable).text().catch((error) => error.message);
      const writing = (async () => {
        await writer.write(bytes);
        await writer.close();
        return "closed";
      })().catch((error) => error.message);
      return [await reading, await writing];
    };
    const long = "Attempt to write too many bytes through a FixedLengthStream.";
    const short = "FixedLengthStream did not see all expected bytes before close().";
    return {
      chunks,
      instance: new FixedLengthStream(1) instanceof IdentityTransformStream && new IdentityTransformStream() instanceof TransformStream,
      exact: await outcome(2, new Uint8Array([104, 105])),
      long: (await outcome(1n, new Uint8Array(2))).every((text) => text === long),
      short: (await outcome(3, new Uint8Array(2))).every((text) => text === short),
      wrong,
    };
  });
  assert.deepEqual(result, {
    chunks: [[1, 2], [3], [4]],
    instance: true,
    exact: ["hi", "closed"],
    long: true,
    short: true,
    wrong: "TypeError",
  });
});

test("a large body goes through a TransformStream with bounded queues", async () => {
  const result = await inWorker(async () => {
    let produced = 0;
    let ahead = 0;
    let consumed = 0;
    const source = new ReadableStream({
      pull(controller) {
        produced += 1;
        ahead = Math.max(ahead, produced - consumed);
        if (produced > 2000) controller.close();
        else controller.enqueue(new Uint8Array(1024));
      },
    });
    for await (const chunk of source.pipeThrough(new TransformStream()).pipeThrough(new IdentityTransformStream())) {
      consumed += 1;
      if (chunk.length !== 1024) throw new Error("a chunk was cut");
    }
    return { consumed, ahead: ahead < 8 };
  });
  assert.deepEqual(result, { consumed: 2000, ahead: true });
});
