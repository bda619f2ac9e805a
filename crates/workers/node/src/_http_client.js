export { ClientRequest } from "./http_client.js";
export { default } from "./http.js";
