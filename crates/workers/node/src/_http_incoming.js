export { IncomingMessage } from "./http_incoming.js";
export { default } from "./http.js";
