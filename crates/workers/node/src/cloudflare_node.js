/** The module `cloudflare:node` (https://developers.cloudflare.com/workers/runtime-apis/nodejs/http/). */
export { handleAsNodeRequest, httpServerHandler } from "./http_server.js";
