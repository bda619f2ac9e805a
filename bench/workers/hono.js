// A Hono application with twenty routes.
import { Hono } from "hono";

const app = new Hono();
app.use("*", async (context, next) => {
  await next();
  context.header("x-served-by", "bench");
});
for (const thing of ["users", "orders", "items", "invoices", "carts"]) {
  app.get(`/api/${thing}`, (context) => context.json([{ thing, id: 1 }]));
  app.get(`/api/${thing}/:id`, (context) => context.json({ thing, id: context.req.param("id"), page: context.req.query("page") }));
  app.post(`/api/${thing}`, async (context) => context.json(await context.req.json(), 201));
  app.delete(`/api/${thing}/:id{[0-9]+}`, (context) => context.body(null, 204));
}

export default app;
