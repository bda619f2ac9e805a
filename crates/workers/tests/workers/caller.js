// Calls another Worker in every way, by path.
import { WorkerEntrypoint } from "cloudflare:workers";

async function caught(work) {
  try {
    return { value: await work() };
  } catch (error) {
    const { name, message, status, facts, code, category, detail } = error;
    return { name, message, isError: error instanceof Error, status, facts, code, category, detail, own: Object.keys(error) };
  }
}

const paths = {
  "/fetch": async (env) => {
    const response = await env.OTHER.fetch("http://other/x", { method: "POST", body: "a body" });
    return [response.status, response.headers.get("x-callee"), await response.text()];
  },
  "/entrypoint": async (env) => (await env.ADMIN.fetch("http://other/y")).text(),
  "/props": async (env) => [await env.ADMIN.who(), await (await env.PLAIN.fetch("http://other/z")).json()],
  "/methods": async (env) => [
    await env.ADMIN.add(2, 3),
    await env.ADMIN.color,
    await env.ADMIN.tools.deep.name,
    await env.ADMIN.tools.double(4),
    await env.PLAIN.shout("quiet"),
  ],
  "/values": async (env) => {
    const cycle = { list: [1n, undefined, null, NaN] };
    cycle.self = cycle;
    const sent = [cycle, new Date(7), /x/g, new Map([["k", new Set([1])]]), new Uint8Array([1, 2]), new RangeError("far"), new Headers({ a: "1" })];
    const [[back, date, expression, map, bytes, error, headers]] = [await env.ADMIN.echo(...sent)];
    return {
      cycle: back.self === back && back.list[0] === 1n && back.list[1] === undefined && Number.isNaN(back.list[3]),
      date: date.getTime(),
      expression: String(expression),
      map: map.get("k").has(1),
      bytes: [bytes.constructor === Uint8Array, ...bytes],
      error: [error instanceof RangeError, error.message],
      headers: headers.get("a"),
      blob: await (await env.ADMIN.echo(new Blob(["in a blob"], { type: "text/x" })))[0].text(),
    };
  },
  "/streams": async (env) => {
    const written = new ReadableStream({
      async start(controller) {
        for (const piece of ["ab", "cd"]) {
          await scheduler.wait(1);
          controller.enqueue(new TextEncoder().encode(piece));
        }
        controller.close();
      },
    });
    const upper = await env.ADMIN.upper(written);
    const response = await env.ADMIN.answer(new Request("http://x/path", { method: "PUT", body: "text", headers: { "x-to": "me" } }));
    return [await new Response(upper).text(), response.status, response.headers.get("x-from"), await response.text()];
  },
  "/refused": async (env) => [
    await caught(() => env.ADMIN.echo(() => {})),
    await caught(() => env.ADMIN.echo(new (class Mine {})())),
    await caught(() => env.ADMIN.nothing()),
    await caught(() => env.ADMIN.hidden),
    await caught(() => env.ADMIN.constructor === undefined),
    await caught(() => env.ADMIN.tools),
    await caught(() => env.PLAIN.shout("a", "b")),
    await caught(() => env.API.fetch.nothing()),
  ],
  "/errors": async (env) => [
    await caught(() => env.ADMIN.deny()),
    await caught(() => env.OTHER.fetch("http://other/throw")),
    await caught(() => env.OTHER.fetch("http://other/private")),
    await caught(() => env.ADMIN.privateCall()),
  ],
  "/spin": async (env) => [await caught(() => env.ADMIN.spin()), await caught(() => env.OTHER.fetch("http://other/spin"))],
  "/own": async (env, ctx) => {
    const { Helper, default: self } = ctx.exports;
    const bound = Helper({ props: { a: 1 } });
    return [Object.keys(ctx.exports), await Helper.twice(4), await bound.props(), await (await self.fetch("http://x/self")).text()];
  },
  "/later": (env) => env.ADMIN.later(),
  "/never": (env) => env.ADMIN.never(),
  "/loop": async (env) => {
    const response = await env.OTHER.fetch("http://other/loop");
    return [response.status, await response.text()];
  },
  "/loop-of-methods": async (env) => caught(() => env.ADMIN.again()),
};

export class Helper extends WorkerEntrypoint {
  twice(n) {
    return n * 2;
  }
  props() {
    return this.ctx.props;
  }
}

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/self") return new Response("itself");
    if (pathname === "/pass") return env.OTHER.fetch("http://other/pieces");
    if (pathname === "/uncaught") return env.OTHER.fetch("http://other/private");
    return Response.json(await paths[pathname](env, ctx));
  },
};
