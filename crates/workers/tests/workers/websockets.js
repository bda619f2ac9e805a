// WebSockets in every place, by path.
const once = (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));

function serve(handle) {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.addEventListener("message", (event) => handle(server, event.data));
  server.addEventListener("close", ({ code, reason, wasClean }) => console.log("closed", code, reason, wasClean));
  server.addEventListener("error", ({ message }) => console.log("error", message));
  return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "chat" } });
}

async function talk(socket) {
  socket.send("text");
  const text = (await once(socket, "message")).data;
  socket.send(new Uint8Array([1, 2, 3]));
  const { data } = await once(socket, "message");
  socket.close(1000, "done");
  const { code, reason, wasClean } = await once(socket, "close");
  const bytes = [data.constructor.name, ...new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data)];
  return { text, bytes, code, reason, wasClean, state: socket.readyState };
}

const paths = {
  "/echo": () =>
    serve((server, data) => {
      if (data === "close") server.close(4001, "as asked");
      else if (data === "spin") for (;;);
      else if (data === "throw") throw new RangeError("in a listener");
      else server.send(typeof data === "string" ? `echo ${data}` : data);
    }),
  "/greeting": () => {
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    for (let i = 0; i < 3; i++) server.send(`greeting ${i}`);
    server.close();
    return new Response(null, { status: 101, webSocket: client });
  },
  "/relay": (request, env) => env.API.fetch("http://private/ws", request),
  "/service": (request, env) => env.OTHER.fetch("http://other/echo", request),
  "/bridge": async (request, env) => {
    const { webSocket } = await env.API.fetch("http://private/ws", { headers: { Upgrade: "websocket" } });
    webSocket.accept();
    webSocket.addEventListener("message", ({ data }) => server.send(`upstream: ${data}`));
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.addEventListener("message", ({ data }) => webSocket.send(data));
    server.addEventListener("close", () => webSocket.close());
    return new Response(null, { status: 101, webSocket: client });
  },
  "/client": async (request, env) => {
    const response = await env.API.fetch("http://private/ws", { headers: { Upgrade: "websocket" } });
    response.webSocket.accept();
    return Response.json({ status: response.status, ...(await talk(response.webSocket)) });
  },
  "/new": async () => {
    const socket = new WebSocket("ws://public.example/ws", ["chat"]);
    const before = socket.readyState;
    await once(socket, "open");
    return Response.json({ before, url: socket.url, protocol: socket.protocol, ...(await talk(socket)) });
  },
  "/new-refused": async () => {
    const socket = new WebSocket("wss://public.example/hello");
    const [error, closed] = await Promise.all([once(socket, "error"), once(socket, "close")]);
    return Response.json([error.message, closed.code, closed.wasClean]);
  },
  "/pair": async () => {
    const pair = new WebSocketPair();
    const [one, other] = Object.values(pair);
    one.accept();
    one.send("before the other accepts");
    other.accept();
    const early = (await once(other, "message")).data;
    other.onmessage = ({ data }) => other.send(data.toUpperCase());
    one.send("loud");
    const loud = (await once(one, "message")).data;
    one.close(3000, "enough");
    const { code, reason } = await once(other, "close");
    return Response.json({ early, loud, code, reason });
  },
  "/misuse": () => {
    const say = (work) => {
      try {
        return String(work());
      } catch (error) {
        return `${error.name}: ${error.message}`;
      }
    };
    const { 0: client, 1: server } = new WebSocketPair();
    const results = [say(() => server.send("x")), say(() => new Response("body", { status: 101, webSocket: client }))];
    results.push(say(() => new Response(null, { webSocket: client, status: 200 })), say(() => new Response(null, { status: 101 })));
    server.accept();
    results.push(say(() => server.close(999)), say(() => server.close(1000, "x".repeat(124))), say(() => server.close(undefined, "why")));
    server.close(1000);
    results.push(say(() => server.send("late")), say(() => new WebSocket("ftp://x/")), say(() => new WebSocket("http://x/#a")));
    results.push(say(() => new WebSocket("ws://x/", ["a", "b c"])), say(() => new WebSocket("ws://x/", ["a", "A"])));
    return Response.json(results);
  },
};

export default { fetch: (request, env, ctx) => paths[new URL(request.url).pathname](request, env, ctx) };
