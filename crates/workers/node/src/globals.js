/** The globals that `nodejs_compat` adds, before the Worker's own modules run. */
import "./call_sites.js";
import { Buffer } from "./buffer.js";
import process from "./process.js";
import { loaded } from "./registry.js";
import { clearImmediate, setImmediate } from "./timers.js";

// What wrangler puts in front of a Worker asks for it by `process.getBuiltinModule` before anything has imported it.
loaded.set("process", process);
for (const [name, value] of Object.entries({ Buffer, clearImmediate, global: globalThis, process, setImmediate })) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}
