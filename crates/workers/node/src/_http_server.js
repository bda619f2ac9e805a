export { Server, ServerResponse } from "./http_server.js";
export { STATUS_CODES } from "./http_names.js";
export { default } from "./http.js";
