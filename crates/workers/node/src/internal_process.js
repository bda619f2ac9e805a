/** What packages need of `process` while they are evaluated; `process.js`, which builds on them, has the rest. */
import { requireFunction } from "./errors.js";

/** @param {Function} code @param {any[]} values */
export function nextTick(code, ...values) {
  requireFunction(code, "callback");
  queueMicrotask(values.length === 0 ? /** @type {any} */ (code) : () => code(...values));
}
export default { nextTick };
