/** A WebSocket server as Workers write it, and a client of another one. */
interface Env {
  UPSTREAM: string;
}

export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/through") {
      const { webSocket } = await fetch(env.UPSTREAM, { headers: { upgrade: "websocket" } });
      if (!webSocket) return new Response("no socket", { status: 502 });
      webSocket.accept();
      webSocket.send("ping");
      const answer = await new Promise((resolve) => webSocket.addEventListener("message", ({ data }) => resolve(data), { once: true }));
      webSocket.close(1000, "done");
      return Response.json({ answer });
    }
    if (request.headers.get("upgrade") !== "websocket") return new Response("expected a WebSocket", { status: 426 });
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.addEventListener("message", ({ data }) => {
      if (data === "close") server.close(4001, "asked to");
      else server.send(typeof data === "string" ? `echo ${data}` : data);
    });
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "chat" } });
  },
} satisfies ExportedHandler<Env>;
