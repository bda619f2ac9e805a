/** `node:module`, as far as bundled code needs it. */
import { coded } from "./errors.js";
import { loaded, names } from "./registry.js";

export const builtinModules = [...names];
/** @param {string} name */
export const isBuiltin = (name) => names.has(name.replace(/^node:/, ""));
/** A `require` for the built-in modules that are loaded; a bundle has no files to look in. @param {string | URL} _path */
export function createRequire(_path) {
  return (/** @type {string} */ name) => {
    const found = loaded.get(name.replace(/^node:/, ""));
    if (found === undefined) throw coded(Error, "MODULE_NOT_FOUND", `Cannot find module '${name}': import it, or bundle the Worker so that it needs no require().`);
    return found;
  };
}
export default { builtinModules, createRequire, isBuiltin };
