export { OutgoingMessage, validateHeaderName, validateHeaderValue } from "./http_outgoing.js";
export { default } from "./http.js";
