/** Which modules there are, and those that code of this isolate has imported so far. */
import { nodeBridge } from "./main.js";

/** Names without `node:`. @type {Set<string>} */
export const names = new Set(nodeBridge.nodeModules());
/** The default exports by name. @type {Map<string, any>} */
export const loaded = new Map();
