/** The runtime's side, as far as Node's modules need it. */
import { nodeBridge } from "./main.js";

export const { host, asyncContext } = nodeBridge;
