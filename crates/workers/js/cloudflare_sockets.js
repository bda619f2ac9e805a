/** The module `cloudflare:sockets` (https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/). */
export { connect } from "./sockets.js";
