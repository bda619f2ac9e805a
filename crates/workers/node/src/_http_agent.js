export { Agent, globalAgent } from "./http.js";
export { default } from "./http.js";
