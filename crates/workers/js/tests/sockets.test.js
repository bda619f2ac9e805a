/* global connect */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inWorker } from "./harness.js";

const BINDINGS = [{ name: "NET", type: "vpc_network" }];

/** A peer that keeps what it hears and says what it is given, piece by piece. */
function peer(pieces = [], log = []) {
  let wake;
  return {
    log,
    async read() {
      if (pieces.length === 0) await new Promise((resolve) => (wake = resolve));
      const piece = pieces.shift();
      if (piece instanceof Error) throw piece;
      return piece;
    },
    say(piece) {
      pieces.push(piece);
      wake?.();
    },
    write: async (text) => void log.push(text),
    end: async () => void log.push("(end)"),
    startTls: async (name) => void log.push(`(tls ${name})`),
    close: () => void log.push("(close)"),
  };
}

/** Runs work in a Worker whose connections lead to `other`; gives its result and the connections that it asked for. */
async function over(other, work) {
  const calls = [];
  const result = await inWorker(work, {
    bindings: BINDINGS,
    top: 'import { connect } from "cloudflare:sockets"; globalThis.connect = connect;',
    prepare({ host }) {
      host.onConnect = async (call) => {
        calls.push(call);
        if (other instanceof Error) throw other;
        return other;
      };
    },
  });
  return { result, calls };
}

test("bytes go both ways, and half a connection stays open where it is wanted", async () => {
  const other = peer(["he", "llo", undefined]);
  const { result, calls } = await over(other, async (request, env) => {
    const socket = env.NET.connect("db.internal:5432", { allowHalfOpen: true });
    const { remoteAddress } = await socket.opened;
    const writer = socket.writable.getWriter();
    await writer.write(new TextEncoder().encode("ping"));
    const heard = await new Response(socket.readable).text();
    await writer.write(new TextEncoder().encode("late"));
    await writer.close();
    await socket.closed;
    return [heard, remoteAddress, socket.upgraded, socket.secureTransport, String(socket)];
  });
  assert.deepEqual(result, ["hello", "10.0.0.5:5432", false, "off", "[object Socket]"]);
  assert.deepEqual(other.log, ["ping", "late", "(end)", "(close)"]);
  assert.deepEqual(calls, [{ binding: "NET", hostname: "db.internal", port: 5432, tlsName: undefined }]);
});

test("the end of the other side ends ours", async () => {
  const other = peer(["bye", undefined]);
  const { result } = await over(other, async () => {
    const socket = connect({ hostname: "h", port: 1 });
    const heard = await new Response(socket.readable).text();
    await socket.closed;
    const late = await socket.writable.getWriter().write(new Uint8Array(1)).catch((error) => error.name);
    return [heard, late];
  });
  assert.deepEqual(result, ["bye", "TypeError"]);
  assert.deepEqual(other.log, ["(end)", "(close)"]);
});

test("that the other side is gone is noticed without reading", async () => {
  const { result } = await over(peer([undefined]), async () => {
    const socket = connect("h:1");
    await socket.closed;
    return "closed";
  });
  assert.equal(result, "closed");
  const lost = peer([Object.assign(new Error("Network connection lost."), { name: "Error" })]);
  const broken = await over(lost, async () => connect("h:1").closed.catch((error) => error.message));
  assert.equal(broken.result, "Network connection lost.");
});

test("one piece is read ahead, and no more", async () => {
  const other = peer(["a", "b", undefined]);
  const { read } = other;
  other.read = () => {
    other.log.push("(read)");
    return read();
  };
  const { result } = await over(other, async () => {
    const socket = connect("h:1", { allowHalfOpen: true });
    await socket.opened;
    await new Promise((resolve) => setTimeout(resolve, 1));
    const writer = socket.writable.getWriter();
    await writer.write(new TextEncoder().encode("now"));
    return new Response(socket.readable).text();
  });
  assert.equal(result, "ab");
  assert.deepEqual(other.log.slice(0, 4), ["(read)", "now", "(read)", "(read)"]);
});

test("close sends what was written before", async () => {
  const other = peer();
  const { result } = await over(other, async () => {
    const socket = connect("h:1");
    const writer = socket.writable.getWriter();
    writer.write(new Uint8Array([65]));
    writer.write(new Uint8Array([66]).buffer);
    const reading = socket.readable.getReader().read();
    await socket.close();
    await socket.closed;
    return [(await reading).done, await socket.close()];
  });
  assert.deepEqual(result, [true, null]);
  assert.deepEqual(other.log, ["A", "B", "(end)", "(close)"]);
});

test("a connection that cannot be made fails everywhere in the same way", async () => {
  const refused = { name: "Error", message: "x", connection: JSON.stringify({ code: "connection_refused", phase: "connect" }) };
  const { result } = await over(Object.assign(new Error(), refused), async (request, env) => {
    const socket = env.NET.connect("h:1");
    const failed = (promise) => promise.then(() => "no", (error) => `${error} ${error.phase}`);
    return Promise.all([
      failed(socket.opened),
      failed(socket.closed),
      failed(socket.readable.getReader().read()),
      failed(socket.writable.getWriter().write(new Uint8Array(1))),
      socket.close().then(() => "closed"),
    ]);
  });
  const expected = "Error: ProxyError: connection_refused connect";
  assert.deepEqual(result, [expected, expected, expected, expected, "closed"]);
});

test("a connection that breaks rejects reads, writes and closed", async () => {
  const { result } = await over(peer(["a", Object.assign(new Error("Network connection lost."), { name: "Error" })]), async () => {
    const socket = connect("h:1");
    const reader = socket.readable.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    const failed = (promise) => promise.then(() => "no", (error) => error.message);
    return [first, await failed(reader.read()), await failed(socket.closed), await failed(socket.writable.getWriter().closed)];
  });
  assert.deepEqual(result, ["a", ...Array(3).fill("Network connection lost.")]);
});

test("TLS is started after what was written in plain text", async () => {
  const other = peer(["S"]);
  const { result } = await over(other, async () => {
    const plain = connect("db.internal:5432", { secureTransport: "starttls" });
    const writer = plain.writable.getWriter();
    writer.write(new TextEncoder().encode("SSL?"));
    const reader = plain.readable.getReader();
    await reader.read();
    writer.releaseLock();
    reader.releaseLock();
    const secure = plain.startTls({ expectedServerHostname: "db.example" });
    const again = (() => {
      try {
        return plain.startTls();
      } catch (error) {
        return error.message;
      }
    })();
    await secure.opened;
    await plain.closed;
    await secure.writable.getWriter().write(new TextEncoder().encode("hello"));
    await secure.close();
    return [again, secure.upgraded, secure.secureTransport, secure === plain];
  });
  assert.deepEqual(result, ["startTls can only be called once.", true, "on", false]);
  assert.deepEqual(other.log, ["SSL?", "(tls db.example)", "hello", "(end)", "(close)"]);
});

test("TLS from the first byte is for the host's name", async () => {
  const { calls } = await over(peer([undefined]), async () => {
    await connect("[::1]:443", { secureTransport: "on" }).opened;
    await connect({ hostname: "db.internal", port: "443" }, { secureTransport: "on" }).opened;
  });
  assert.deepEqual(
    calls.map(({ hostname, port, tlsName }) => [hostname, port, tlsName]),
    [["::1", 443, "::1"], ["db.internal", 443, "db.internal"]],
  );
});

test("what connect refuses", async () => {
  const { result, calls } = await over(peer(), async () => {
    const refused = (...values) => {
      try {
        connect(...values);
        return "taken";
      } catch (error) {
        return `${error.name}: ${error.message}`;
      }
    };
    const socket = connect("h:1");
    await socket.opened;
    return [
      refused(),
      refused("h"),
      refused(":1"),
      refused("h:1/path"),
      refused("h:0"),
      refused({ hostname: "h", port: 65536 }),
      refused("h:1", { secureTransport: "maybe" }),
      await socket.writable.getWriter().write("text").catch((error) => error.message),
      (() => {
        try {
          socket.startTls();
        } catch (error) {
          return error.message;
        }
      })(),
    ];
  });
  assert.equal(calls.length, 1);
  assert.deepEqual(result, [
    "TypeError: connect: 1 argument required, but only 0 present.",
    "TypeError: Specified address is missing port.",
    "TypeError: Specified address could not be parsed.",
    'TypeError: Specified address could not be parsed: it must be a host and a port, as in "db.internal:5432".',
    "TypeError: Specified port must be between 1 and 65535.",
    "TypeError: Specified port must be between 1 and 65535.",
    "TypeError: Unsupported value in secureTransport socket option: maybe",
    "This WritableStream only supports writing byte types.",
    "The `secureTransport` socket option must be set to 'starttls' for startTls to be used.",
  ]);
});
