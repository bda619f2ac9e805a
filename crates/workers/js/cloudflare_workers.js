/** The module `cloudflare:workers` (https://developers.cloudflare.com/workers/runtime-apis/). */
export { env } from "./bindings.js";
export { waitUntil } from "./execution_context.js";
export { WorkerEntrypoint } from "./worker_entrypoint.js";
