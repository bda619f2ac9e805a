/** itty-router: `AutoRouter` with parameters, middleware and errors. */
import { AutoRouter, StatusError, cors, error, withParams } from "itty-router";

const { preflight, corsify } = cors({ origin: "https://app.example" });
const router = AutoRouter({ before: [preflight, withParams], finally: [corsify] });

router
  .get("/", () => "hello")
  .get("/todos/:id", ({ id, query }) => ({ id, query }))
  .post("/todos", async (request) => ({ saved: await request.json() }))
  .get("/teapot", () => error(418, "teapot"))
  .get("/throws", () => {
    throw new StatusError(402, { because: "unpaid" });
  });

export default router satisfies ExportedHandler;
