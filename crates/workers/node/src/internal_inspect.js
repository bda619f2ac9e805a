/** Values as text (`util.inspect`, `util.format`): what the console of this runtime shows. */
import { nodeBridge } from "./main.js";

const CUSTOM = Symbol.for("nodejs.util.inspect.custom");

/** @param {any} value @param {any} [options] @returns {string} */
export function inspect(value, options) {
  const depth = options?.depth === null || options?.depth === Infinity ? 100 : options?.depth;
  const custom = options?.customInspect === false ? undefined : value?.[CUSTOM];
  if (typeof custom === "function" && custom !== inspect) {
    const shown = Reflect.apply(custom, value, [depth ?? 2, options ?? {}, inspect]);
    if (shown !== value) return typeof shown === "string" ? shown : inspect(shown, options);
  }
  return nodeBridge.inspect(value, depth ?? 2);
}

/** @param {any[]} values */
export function format(...values) {
  const [template] = values;
  let used = 0;
  let text = "";
  if (typeof template === "string") {
    used = 1;
    text = values.length === 1 ? template : template.replace(/%[sdifjoOc%]/g, (directive) => {
      if (directive === "%%") return "%";
      if (used >= values.length) return directive;
      return directed(directive, values[used++]);
    });
  }
  for (; used < values.length; used++) {
    const value = values[used];
    text += `${used === 0 ? "" : " "}${typeof value === "string" ? value : inspect(value)}`;
  }
  return text;
}

/** @param {string} directive @param {any} value */
function directed(directive, value) {
  switch (directive) {
    case "%s":
      if (typeof value === "bigint") return `${value}n`;
      if (typeof value !== "object" || value === null) return String(value);
      return Object.hasOwn(value, "toString") || value instanceof Error || value instanceof Date ? String(value) : inspect(value, { depth: 0 });
    case "%d":
      return typeof value === "bigint" ? `${value}n` : typeof value === "symbol" ? "NaN" : `${Number(value)}`;
    case "%i":
      return typeof value === "bigint" ? `${value}n` : typeof value === "symbol" ? "NaN" : `${parseInt(value, 10)}`;
    case "%f":
      return typeof value === "symbol" ? "NaN" : `${parseFloat(value)}`;
    case "%j":
      try {
        return JSON.stringify(value) ?? "undefined";
      } catch (error) {
        if (/** @type {Error} */ (error).message.includes("cyclic")) return "[Circular]";
        throw error;
      }
    case "%o":
      return inspect(value, { depth: 4 });
    case "%O":
      return inspect(value);
    default:
      return "";
  }
}
