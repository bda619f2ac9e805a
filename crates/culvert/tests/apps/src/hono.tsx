/** @jsxImportSource hono/jsx */
/** Hono: routes, middleware, JWT, cookies, validation, streaming, server-sent events, JSX, a mounted application. */
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { getCookie, getSignedCookie, setCookie, setSignedCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { jwt, sign } from "hono/jwt";
import { secureHeaders } from "hono/secure-headers";
import { stream, streamSSE, streamText } from "hono/streaming";
import { timing } from "hono/timing";
import { zValidator } from "@hono/zod-validator";
import { z } from "zod";

type Env = { Bindings: { SECRET: string }; Variables: { visits: number } };

const books = new Hono<Env>()
  .get("/", (c) => c.json([{ id: 1 }, { id: 2 }]))
  .get("/:id{[0-9]+}", (c) => c.json({ id: Number(c.req.param("id")), q: c.req.query("q") ?? null }))
  .post("/", zValidator("json", z.object({ title: z.string().min(1), pages: z.number().int().positive() })), (c) =>
    c.json({ created: c.req.valid("json") }, 201),
  );

const app = new Hono<Env>();
app.use("*", secureHeaders(), timing());
app.use("/cors/*", cors({ origin: ["https://app.example"], allowMethods: ["GET", "PUT"] }));
app.use("/etag", etag());
app.use("/counted", async (c, next) => {
  c.set("visits", 41);
  await next();
  c.header("x-after", String(c.get("visits")));
});
app.get("/counted", (c) => {
  c.set("visits", c.get("visits") + 1);
  return c.text("counted");
});
app.get("/cors/thing", (c) => c.text("thing"));
app.get("/etag", (c) => c.text("the same as ever"));
app.get("/cookies", async (c) => {
  setCookie(c, "plain", "a b", { httpOnly: true, sameSite: "Lax", path: "/" });
  await setSignedCookie(c, "signed", "value", c.env.SECRET);
  return c.json({ plain: getCookie(c, "plain") ?? null, signed: (await getSignedCookie(c, c.env.SECRET, "signed")) ?? null });
});
app.get("/token", async (c) => c.text(await sign({ sub: "u1", exp: Math.floor(Date.now() / 1000) + 60 }, c.env.SECRET, "HS256")));
app.use("/private/*", (c, next) => jwt({ secret: c.env.SECRET, alg: "HS256" })(c, next));
app.get("/private/me", (c) => c.json(c.get("jwtPayload" as never)));
app.use("/basic", basicAuth({ username: "u", password: "p" }));
app.get("/basic", (c) => c.text("in"));
app.get("/sse", (c) =>
  streamSSE(c, async (out) => {
    for (let id = 0; id < 3; id++) {
      await out.writeSSE({ id: String(id), event: "tick", data: JSON.stringify({ id }) });
      await out.sleep(5);
    }
  }),
);
app.get("/text", (c) =>
  streamText(c, async (out) => {
    for (const word of ["one", "two", "three"]) await out.writeln(word);
  }),
);
app.get("/stream", (c) =>
  stream(c, async (out) => {
    await out.write(new Uint8Array([1, 2, 3]));
    await out.pipe(new Blob(["rest"]).stream());
  }),
);
app.get("/jsx", (c) =>
  c.html(
    <html>
      <body>
        <p title={`"quoted"`}>{"<escaped>"}</p>
      </body>
    </html>,
  ),
);
app.post("/form", async (c) => {
  const { name, file } = await c.req.parseBody();
  return c.json({ name, file: file instanceof File ? { name: file.name, type: file.type, text: await file.text() } : null });
});
app.get("/fails", () => {
  throw new HTTPException(418, { message: "teapot" });
});
app.get("/throws", () => {
  throw new Error("unexpected");
});
app.route("/books", books);
app.mount("/mounted", (request: Request) => new Response(new URL(request.url).pathname));
app.notFound((c) => c.json({ missing: c.req.path }, 404));
app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : c.json({ error: error.message }, 500)));

export default app;
