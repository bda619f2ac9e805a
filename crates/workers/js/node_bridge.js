/** What the modules of Node.js (`node/`) get of the runtime. They are modules of their own, which import this from `main.js`. */
import { currentFrame, enterFrame } from "./async_context.js";
import { env } from "./bindings.js";
import host from "./host_object.js";
import { inspect } from "./inspect.js";
import { create, objectKeys } from "./primordials.js";

/** What `start` was told. */
const compatibility = { node: false, processEnv: false, modules: /** @type {string[]} */ ([]) };

/** @param {typeof compatibility} given */
export function setCompatibility(given) {
  compatibility.node = given.node;
  compatibility.processEnv = given.processEnv;
  compatibility.modules = given.modules;
}

export const nodeBridge = {
  host,
  inspect,
  asyncContext: { current: currentFrame, enter: enterFrame },
  /** The names of the modules that can be imported, without `node:`. */
  nodeModules: () => compatibility.modules,
  /** The variables of `process.env`: the text variables and secrets of the Worker, when it asks for them. */
  processEnv() {
    const variables = create(null);
    if (!compatibility.processEnv) return variables;
    const names = objectKeys(env);
    for (let i = 0; i < names.length; i++) {
      const name = /** @type {string} */ (names[i]);
      if (typeof env[name] === "string") variables[name] = env[name];
    }
    return variables;
  },
};
