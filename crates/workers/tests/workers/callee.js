// What another Worker can call.
import { WorkerEntrypoint, env, waitUntil } from "cloudflare:workers";

class Denied extends Error {
  constructor(message) {
    super(message);
    this.name = "Denied";
    this.status = 403;
    this.facts = { tries: [1, 2], when: new Date(5) };
    this.secret = () => {};
  }
}

export class Admin extends WorkerEntrypoint {
  hidden = "of the instance";

  add(a, b) {
    return a + b;
  }

  echo(...values) {
    return values;
  }

  get color() {
    return "green";
  }

  get tools() {
    return { double: (n) => n * 2, deep: { name: "hammer" } };
  }

  who() {
    return { props: this.ctx.props, env: this.env.NAME, same: this.env === env };
  }

  deny() {
    throw new Denied("not you");
  }

  async again() {
    return await this.env.AGAIN.again();
  }

  async privateCall() {
    return await this.env.API.fetch("http://private/refused");
  }

  upper(stream) {
    return stream.pipeThrough(new TransformStream({
      transform(chunk, controller) {
        controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase()));
      },
    }));
  }

  async answer(request) {
    return new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`, {
      status: 201,
      headers: { "x-from": request.headers.get("x-to") },
    });
  }

  spin() {
    for (;;);
  }

  later() {
    waitUntil(scheduler.wait(1).then(() => console.log("after the answer")));
    return "at once";
  }

  never() {
    return this.env.API.fetch("http://private/never");
  }

  fetch(request) {
    return new Response(`admin ${request.url}`);
  }
}

export const plain = {
  fetch: (request, env, ctx) => Response.json({ props: ctx.props, url: request.url }),
  shout: (text, env, ctx) => `${text.toUpperCase()} ${env.NAME} ${typeof ctx.waitUntil}`,
};

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/throw") throw new Denied("by fetch");
    if (pathname === "/private") return env.API.fetch("http://private/refused");
    if (pathname === "/pieces") return env.API.fetch("http://private/pieces");
    if (pathname === "/loop") return env.NEXT.fetch("http://next/loop");
    if (pathname === "/spin") for (;;);
    return new Response(`${request.method} ${pathname} ${await request.text()}`, { headers: { "x-callee": env.NAME } });
  },
};
