/** `process.env`: the text variables and secrets of the Worker, when its flags ask for them. */
import { nodeBridge } from "./main.js";

/** Values become strings when they are set, as in Node.js. @type {Record<string, string>} */
export const env = new Proxy(nodeBridge.processEnv(), {
  set: (target, name, value) => Reflect.set(target, name, typeof name === "symbol" ? value : `${value}`),
});
