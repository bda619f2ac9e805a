import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

test("DOMException has its name, message, code and prototype", async () => {
  const result = await inWorker(() => {
    const error = new DOMException("gone", "AbortError");
    return {
      name: error.name,
      message: error.message,
      code: error.code,
      isError: error instanceof Error,
      text: String(error),
      tag: Object.prototype.toString.call(error),
      constant: DOMException.ABORT_ERR,
      unknown: new DOMException("x", "Made up").code,
      plain: [new DOMException().name, new DOMException().message],
      stack: typeof error.stack,
      getter: Object.getOwnPropertyDescriptor(DOMException.prototype, "name").get !== undefined,
    };
  });
  assert.deepEqual(result, {
    name: "AbortError",
    message: "gone",
    code: 20,
    isError: true,
    text: "AbortError: gone",
    tag: "[object DOMException]",
    constant: 20,
    unknown: 0,
    plain: ["Error", ""],
    stack: "string",
    getter: true,
  });
});

test("EventTarget calls listeners in order, once, and keeps going when one throws", async () => {
  let errors;
  const result = await inWorker(
    () => {
      const target = new EventTarget();
      const seen = [];
      target.addEventListener("x", (event) => seen.push(["plain", event.target === target, event.eventPhase]));
      target.addEventListener("x", () => seen.push("once"), { once: true });
      target.addEventListener("x", { handleEvent: () => seen.push("object") });
      target.addEventListener("x", () => {
        throw new Error("from a listener");
      });
      target.addEventListener("x", () => seen.push("capture"), true);
      const gone = () => seen.push("removed");
      target.addEventListener("x", gone);
      target.removeEventListener("x", gone);
      const controller = new AbortController();
      target.addEventListener("x", () => seen.push("signal"), { signal: controller.signal });
      const first = target.dispatchEvent(new Event("x"));
      controller.abort();
      target.dispatchEvent(new CustomEvent("x", { detail: 3 }));
      return { seen, first };
    },
    { prepare: (worker) => (errors = worker.host.errors) },
  );
  assert.deepEqual(result.seen, ["capture", ["plain", true, 2], "once", "object", "signal", "capture", ["plain", true, 2], "object"]);
  assert.equal(result.first, true);
  assert.deepEqual(errors.map(({ error }) => error.message), ["from a listener", "from a listener"]);
});

test("preventDefault, passive listeners and stopImmediatePropagation", async () => {
  const result = await inWorker(() => {
    const target = new EventTarget();
    target.addEventListener("passive", (event) => event.preventDefault(), { passive: true });
    target.addEventListener("active", (event) => event.preventDefault());
    let after = false;
    target.addEventListener("stop", (event) => event.stopImmediatePropagation());
    target.addEventListener("stop", () => (after = true));
    const cancelable = { cancelable: true };
    const results = [
      target.dispatchEvent(new Event("passive", cancelable)),
      target.dispatchEvent(new Event("active", cancelable)),
      target.dispatchEvent(new Event("active")),
    ];
    target.dispatchEvent(new Event("stop"));
    let again;
    const event = new Event("again");
    target.addEventListener("again", () => {
      try {
        target.dispatchEvent(event);
      } catch (error) {
        again = error.name;
      }
    });
    target.dispatchEvent(event);
    return { results, after, again, trusted: event.isTrusted };
  });
  assert.deepEqual(result, { results: [true, false, true], after: false, again: "InvalidStateError", trusted: false });
});

test("AbortController aborts once, with a reason", async () => {
  const result = await inWorker(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const seen = [];
    signal.onabort = (event) => seen.push(["onabort", event.isTrusted]);
    signal.addEventListener("abort", () => seen.push(["listener", signal.aborted]));
    signal.throwIfAborted();
    controller.abort("why");
    controller.abort("again");
    let thrown;
    try {
      signal.throwIfAborted();
    } catch (error) {
      thrown = error;
    }
    const plain = AbortSignal.abort();
    return { seen, reason: signal.reason, thrown, plain: [plain.aborted, plain.reason.name], same: controller.signal === signal };
  });
  assert.deepEqual(result, {
    seen: [["onabort", true], ["listener", true]],
    reason: "why",
    thrown: "why",
    plain: [true, "AbortError"],
    same: true,
  });
});

test("AbortSignal.any follows its sources; all are aborted before any listener runs", async () => {
  const result = await inWorker(() => {
    const first = new AbortController();
    const second = new AbortController();
    const both = AbortSignal.any([first.signal, second.signal]);
    const nested = AbortSignal.any([both, second.signal]);
    const seen = [];
    both.addEventListener("abort", () => seen.push(["both", nested.aborted]));
    first.signal.addEventListener("abort", () => seen.push(["first", both.aborted, nested.aborted]));
    nested.addEventListener("abort", () => seen.push(["nested", nested.reason]));
    first.abort("one");
    second.abort("two");
    return {
      seen,
      reason: both.reason,
      already: AbortSignal.any([AbortSignal.abort("x"), first.signal]).reason,
      never: AbortSignal.any([]).aborted,
    };
  });
  assert.deepEqual(result, { seen: [["first", true, true], ["both", true], ["nested", "one"]], reason: "one", already: "x", never: false });
});

test("AbortSignal.timeout aborts with a TimeoutError", async () => {
  const result = await inWorker(async () => {
    const signal = AbortSignal.timeout(5);
    const early = signal.aborted;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return [early, signal.aborted, signal.reason.name, signal.reason.code];
  });
  assert.deepEqual(result, [false, true, "TimeoutError", 23]);
});

test("signals and events check what they are called on, and are not constructible", async () => {
  const result = await inWorker(() => {
    const names = (work) => {
      try {
        work();
        return "nothing";
      } catch (error) {
        return error.constructor.name;
      }
    };
    const aborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted").get;
    return [
      names(() => new AbortSignal()),
      names(() => aborted.call({})),
      names(() => AbortController.prototype.abort.call({})),
      names(() => new Event()),
      names(() => new EventTarget().dispatchEvent({})),
      names(() => new EventTarget().addEventListener("x", 3)),
      names(() => AbortSignal.any([{}])),
    ];
  });
  assert.deepEqual(result, Array(7).fill("TypeError"));
});
