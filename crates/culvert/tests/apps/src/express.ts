/** Express on `node:http`, served by `httpServerHandler`. */
import { httpServerHandler } from "cloudflare:node";
import express from "express";

const app = express();
app.use(express.json());
app.use((request, response, next) => {
  response.set("x-powered-by", "culvert");
  next();
});
app.get("/", (_request, response) => void response.send("hello"));
app.get("/users/:id", (request, response) => void response.json({ id: request.params.id, query: request.query, ip: typeof request.ip, host: request.hostname }));
app.post("/users", (request, response) => void response.status(201).location("/users/7").json({ got: request.body }));
app.get("/cookie", (_request, response) => void response.cookie("a", "1").cookie("b", "2", { httpOnly: true }).send("set"));
app.get("/stream", (_request, response) => {
  response.type("text/plain");
  let n = 0;
  const next = () => (n < 3 ? (response.write(`line ${n++}\n`), setTimeout(next, 2)) : response.end("end\n"));
  next();
});
app.get("/redirect", (_request, response) => void response.redirect(302, "/"));
app.get("/throws", () => {
  throw Object.assign(new Error("broken"), { status: 503 });
});
app.use((error: Error & { status?: number }, _request: express.Request, response: express.Response, _next: express.NextFunction) => void response.status(error.status ?? 500).json({ error: error.message }));
app.listen(3000);

export default httpServerHandler({ port: 3000 });
