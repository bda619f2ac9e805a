const next = (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));

const paths = {
  async "/channel"() {
    const { port1, port2 } = new MessageChannel();
    const seen = [];
    const third = new Promise((resolve) => {
      port2.onmessage = ({ data }) => {
        seen.push(data);
        if (seen.length === 3) resolve();
      };
    });
    const buffer = new ArrayBuffer(4);
    port1.postMessage({ nested: [new Map([["a", 1n]])] });
    port1.postMessage(buffer, [buffer]);
    port1.postMessage("three");
    const before = seen.length;
    await third;
    let refused;
    try {
      port1.postMessage(() => {});
    } catch (error) {
      refused = error.name;
    }
    // A port that goes through a port.
    const inner = new MessageChannel();
    const arrived = next(port2, "message");
    port1.postMessage({ port: inner.port1 }, [inner.port1]);
    const { data } = await arrived;
    const answer = next(inner.port2, "message");
    inner.port2.start();
    data.port.postMessage("through");
    return [before, seen[0].nested[0].get("a") === 1n, seen[1].byteLength, buffer.detached, seen[2], refused, (await answer).data];
  },

  async "/events"() {
    const text = ": comment\r\ndata: one\ndata: two\n\nevent: other\nid: 7\rdata:three\r\rdata\n\ndata: not finished";
    const source = EventSource.from(new Blob([text]).stream());
    const seen = [];
    source.addEventListener("other", ({ data, lastEventId }) => seen.push(["other", data, lastEventId]));
    source.onmessage = ({ data, lastEventId }) => seen.push(["message", data, lastEventId]);
    const opened = next(source, "open");
    await opened;
    await scheduler.wait(20);
    return [seen, source.readyState];
  },

  async "/clone"() {
    const blob = new Blob(["x"], { type: "text/plain" });
    const error = new DOMException("m", "AbortError");
    const value = { blob, list: [blob, error], map: new Map([[blob, new Date(5)]]), view: new Uint16Array([1, 2]), self: null };
    value.self = value;
    const clone = structuredClone(value);
    const name = (work) => {
      try {
        work();
        return "no error";
      } catch (error) {
        return error.name;
      }
    };
    return [
      await clone.blob.text(), clone.blob !== blob, clone.list[0] === clone.blob, clone.list[1].name, clone.map.get(clone.blob).getTime(),
      [...clone.view], clone.self === clone, name(() => structuredClone({ a: new Response("") })), name(() => structuredClone({ blob, f() {} })),
      name(() => structuredClone(1, { transfer: [{}] })),
    ];
  },

  async "/errors"() {
    const seen = [];
    addEventListener("error", (event) => {
      seen.push([event.message, event.error.message]);
      event.preventDefault();
    });
    reportError(new TypeError("reported"));
    queueMicrotask(() => {
      throw new RangeError("thrown");
    });
    await scheduler.wait(1);
    return seen;
  },
};

export default {
  async fetch(request) {
    return Response.json(await paths[new URL(request.url).pathname]());
  },
};
