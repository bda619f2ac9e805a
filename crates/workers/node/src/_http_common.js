export { METHODS as methods } from "./http_names.js";
export { default } from "./http.js";
