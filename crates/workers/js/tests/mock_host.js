/**
 * The host of `host.d.ts` in plain JavaScript, for tests only: what Rust does in the product is done here with Node's
 * own. Bodies are lists of chunks, operations complete in macrotasks.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { runInContext } from "node:vm";



/** An array of this realm; tests may have patched the other one's. */
function copy(list) {
  const result = [];
  for (let i = 0; i < list.length; i++) result[i] = list[i];
  return result;
}

export function makeHost(context) {
  const make = runInContext(
    `(() => { const { Uint8Array } = globalThis; return { bytes: (length) => new Uint8Array(length), list: () => [], error: (name, message, connection) => ({ name, message, connection }) }; })()`,
    context,
  );
  const bytes = (from) => {
    const result = make.bytes(from.length);
    for (let i = 0; i < from.length; i++) result[i] = from[i];
    return result;
  };
  const own = (values) => {
    const list = make.list();
    for (const value of values) list[list.length] = value;
    return list;
  };

  let lastOperation = 0;
  let lastId = 0;
  const canceled = new Set();
  const results = new Map();
  const bodies = new Map();
  const sinks = new Map();
  const decoders = new Map();
  const graphs = new Map();
  const sockets = new Map();

  const host = {
    entries: undefined,
    importModule: undefined,
    logs: [],
    calls: [],
    errors: [],
    open: 0,
    /** Answers a subrequest: gets `{binding, method, url, headers, body}`, gives `{status, statusText, headers, body}` or throws `{name, message, connection}`. */
    onFetch: async () => ({ status: 200, statusText: "OK", headers: [], body: undefined }),
    /** Answers a `connect()`: gets `{binding, hostname, port, tlsName}`, gives the other side (`read`, `write`, `end`, `startTls`, `close`) or throws as above. */
    onConnect: async () => ({}),
    /** Answers a call of another Worker: gives `[value bytes, bodies]` or the bytes of what is thrown. */
    onCall: async () => own([host.functions.serialize(own([undefined, own([])])), own([])]),
    own,
    bodies,
    sinks,
    canceled,
    begin(invocation) {
      const result = { logs: host.logs, waited: [], chunks: [], text: "" };
      result.ended = new Promise((resolve) => (result.end = resolve));
      results.set(invocation, result);
      return result;
    },
    newBody(source) {
      lastId += 1;
      const chunks = typeof source === "string" ? [Buffer.from(source)] : source;
      bodies.set(lastId, { chunks: chunks[Symbol.asyncIterator]?.() ?? chunks[Symbol.iterator](), reads: 0, canceled: false });
      return lastId;
    },
  };

  function operation(work) {
    lastOperation += 1;
    const id = lastOperation;
    host.open += 1;
    (async () => {
      await new Promise((resolve) => setImmediate(resolve));
      let ok = true;
      let value;
      try {
        value = await work();
      } catch (error) {
        ok = false;
        value = make.error(error.name, error.message, error.connection);
      }
      host.open -= 1;
      if (!canceled.has(id)) host.entries.complete(id, ok, value);
    })();
    return id;
  }

  async function readAll(body) {
    const parts = [];
    for (;;) {
      body.reads += 1;
      const { value, done } = await body.chunks.next();
      if (done) return Buffer.concat(parts);
      parts.push(Buffer.from(value));
    }
  }

  /** The bytes of an outgoing body, as a promise; and the sink when there is one. */
  function outgoing(body) {
    if (body === undefined) return { sink: 0, bytes: Promise.resolve(undefined) };
    if (typeof body === "string") return { sink: 0, bytes: Promise.resolve(Buffer.from(body)) };
    if (typeof body === "number") return { sink: 0, native: body, bytes: readAll(bodies.get(body)) };
    if (body === true) {
      lastId += 1;
      const sink = { chunks: [], writes: 0, gone: false };
      sink.ended = new Promise((resolve, reject) => {
        sink.close = () => resolve(Buffer.concat(sink.chunks));
        sink.abort = reject;
      });
      sink.ended.catch(() => {});
      sinks.set(lastId, sink);
      return { sink: lastId, bytes: sink.ended };
    }
    return { sink: 0, bytes: Promise.resolve(Buffer.from(body)) };
  }

  /** A parsed URL as the host gives it, from the parts that Node knows. */
  function recordOf(url) {
    const { href, protocol, username, password, hostname, port, search, hash } = url;
    const slashes = href.startsWith("//", protocol.length);
    const usernameEnd = protocol.length + (slashes ? 2 : 0) + username.length;
    const hostStart = usernameEnd + (password === "" ? 0 : 1 + password.length);
    const hostEnd = hostStart + (href[hostStart] === "@" ? 1 : 0) + hostname.length;
    const pathnameStart = hostEnd + (port === "" ? 0 : 1 + port.length);
    const hashStart = href.length - hash.length;
    const places = [protocol.length, usernameEnd, hostStart, hostEnd, port === "" ? -1 : +port, pathnameStart];
    return own([href, ...places, search === "" ? -1 : hashStart - search.length, hash === "" ? -1 : hashStart]);
  }

  host.functions = {
    respond(invocation, status, statusText, headers, body) {
      const result = results.get(invocation);
      const out = outgoing(body);
      result.status = status;
      result.statusText = statusText;
      result.headers = copy(headers);
      result.kind = body === true ? "sink" : typeof body === "number" ? "native" : typeof body;
      result.sink = sinks.get(out.sink);
      result.body = out.bytes.then(
        (given) => {
          result.bytes = given;
          result.text = given === undefined ? "" : given.toString();
        },
        (reason) => (result.aborted = reason),
      );
      return out.sink;
    },
    fail(invocation, error, thrown) {
      const result = results.get(invocation);
      result.failure = error;
      result.thrown = thrown === undefined ? undefined : graphs.get(thrown[0]);
    },
    done(invocation) {
      const result = results.get(invocation);
      (result.body ?? Promise.resolve()).then(() => result.end());
    },
    reportError(invocation, error) {
      host.errors.push({ invocation, error });
    },
    current: () => 0,
    bodyRead(id) {
      const body = bodies.get(id);
      body.reads += 1;
      return operation(async () => {
        const { value, done } = await body.chunks.next();
        return done ? undefined : bytes(value);
      });
    },
    bodyReadAll: (id) => operation(async () => bytes(await readAll(bodies.get(id)))),
    bodyReadText: (id) => operation(async () => new TextDecoder().decode(await readAll(bodies.get(id)))),
    bodyCancel(id) {
      bodies.get(id).canceled = true;
    },
    sinkWrite(id, chunk) {
      const sink = sinks.get(id);
      const bytes = Buffer.from(chunk);
      sink.writes += 1;
      return operation(async () => {
        if (sink.wait) await sink.wait();
        if (sink.gone) throw { name: "TypeError", message: "The reader of the body is gone." };
        sink.chunks.push(bytes);
      });
    },
    sinkClose: (id) => sinks.get(id).close(),
    sinkAbort: (id, reason) => sinks.get(id).abort(reason),
    fetch(invocation, binding, method, url, headers, body) {
      const out = outgoing(body);
      const request = { invocation, binding, method, url, headers: copy(headers), native: out.native, sent: body, sink: sinks.get(out.sink), body: out.bytes };
      host.calls.push(request);
      const id = operation(async () => {
        const answer = await host.onFetch(request);
        const id = answer.body === undefined ? 0 : host.newBody(answer.body);
        request.responseBody = id;
        return own([answer.status ?? 200, answer.statusText ?? "", own(answer.headers ?? []), id]);
      });
      return own([id, out.sink]);
    },
    socketConnect(invocation, binding, hostname, port, tlsName) {
      const call = { binding, hostname, port, tlsName };
      return operation(async () => {
        const peer = await host.onConnect(call);
        lastId += 1;
        sockets.set(lastId, peer);
        return own([lastId, "10.0.0.5:5432"]);
      });
    },
    socketRead(id) {
      const peer = sockets.get(id);
      return operation(async () => {
        const piece = await peer.read();
        return piece === undefined ? undefined : bytes(Buffer.from(piece));
      });
    },
    socketWrite(id, given) {
      const peer = sockets.get(id);
      const copied = Buffer.from(given);
      return operation(() => peer.write(copied.toString()));
    },
    socketEnd: (id) => operation(() => sockets.get(id).end()),
    socketStartTls: (id, name) => operation(() => sockets.get(id).startTls(name)),
    socketClose: (id) => sockets.get(id).close(),
    timer: (milliseconds) => operation(() => new Promise((resolve) => setTimeout(resolve, milliseconds))),
    cancel: (id) => canceled.add(id),
    now: () => performance.timeOrigin + performance.now(),
    log: (level, values) => host.logs.push({ level, values: copy(values) }),
    urlParse(url, base) {
      try {
        return recordOf(new URL(url, base));
      } catch {
        return undefined;
      }
    },
    urlSet(href, part, value) {
      const url = new URL(href);
      try {
        url[part] = value;
      } catch {
        return undefined;
      }
      return recordOf(url);
    },
    utf8Encode: (text) => bytes(new TextEncoder().encode(text)),
    utf8Decode: (given, ignoreBOM) => new TextDecoder("utf-8", { ignoreBOM }).decode(given),
    decoderCreate(label, fatal, ignoreBOM) {
      let decoder;
      try {
        decoder = new TextDecoder(label, { fatal, ignoreBOM });
      } catch {
        return undefined;
      }
      lastId += 1;
      decoders.set(lastId, decoder);
      return own([lastId, decoder.encoding]);
    },
    decoderDecode(id, given, last) {
      try {
        return decoders.get(id).decode(given, { stream: !last });
      } catch {
        return undefined;
      }
    },
    decoderDrop: (id) => void decoders.delete(id),
    atob(text) {
      try {
        return atob(text);
      } catch {
        return undefined;
      }
    },
    btoa(text) {
      try {
        return btoa(text);
      } catch {
        return undefined;
      }
    },
    randomBytes: (count) => bytes(randomBytes(count)),
    randomUuid: () => randomUUID(),
    structuredClone: (value, transfer) => structuredClone(value, { transfer: transfer ?? [] }),
    // What the engine copies is kept here as it is, under a number.
    serialize(value) {
      lastId += 1;
      graphs.set(lastId, value);
      return bytes([lastId]);
    },
    deserialize: (given) => graphs.get(given[0]),
    answer(invocation, value, streams) {
      results.get(invocation).answer = graphs.get(value[0]);
      return own(streams.map((stream) => (stream === 0 ? outgoing(true).sink : 0)));
    },
    call(invocation, target, path, value, streams) {
      const call = { invocation, target, path: copy(path), value: value === undefined ? undefined : graphs.get(value[0]), streams: copy(streams) };
      host.calls.push(call);
      const id = operation(async () => host.onCall(call));
      return own([id, own(call.streams.map((stream) => (stream === 0 ? outgoing(true).sink : 0)))]);
    },
    finish(invocation) {
      results.get(invocation).finished = true;
    },
    importModule: (specifier) => host.importModule(specifier),
  };
  host.decoders = decoders;
  return host;
}
