// TCP connections.
import { connect } from "cloudflare:sockets";

let atStart = "taken";
try {
  connect("h:1");
} catch (error) {
  atStart = error;
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/echo": {
        const bytes = Number(url.searchParams.get("bytes"));
        const socket = env.NETWORK.connect("db.internal:7", { allowHalfOpen: true });
        let heard = 0;
        let same = true;
        const reading = (async () => {
          for await (const piece of socket.readable) {
            same &&= piece.every((byte, at) => byte === (heard + at) % 251);
            heard += piece.length;
          }
        })();
        const writer = socket.writable.getWriter();
        for (let sent = 0; sent < bytes; sent += 10000) {
          await writer.write(Uint8Array.from({ length: 10000 }, (_, at) => (sent + at) % 251));
        }
        await writer.close();
        await reading;
        await socket.closed;
        return Response.json({ sent: bytes, heard, same });
      }
      case "/refused": {
        const socket = env.API.connect("refused:7");
        const opened = await socket.opened.catch((error) => error);
        const read = await socket.readable.getReader().read().catch((error) => error.code);
        return Response.json({ opened: String(opened), phase: opened.phase, read });
      }
      case "/tls": {
        const plain = connect("h:7", { secureTransport: "starttls" });
        const secure = plain.startTls();
        const failed = await secure.opened.catch((error) => error.message);
        const read = await secure.readable.getReader().read().catch((error) => error.message);
        return new Response(`${failed} | ${await plain.closed} | ${read}`);
      }
      case "/seven": {
        const all = Array.from({ length: 7 }, () => connect("gate:7"));
        return new Response(String((await Promise.all(all.map((socket) => socket.opened))).length));
      }
      case "/left": {
        const socket = connect("h:7");
        socket.readable.getReader().read();
        await socket.opened;
        return new Response("answered");
      }
      case "/global":
        throw atStart;
    }
    return new Response("no such path", { status: 404 });
  },
};
