/** `node:path`: the `path-browserify` package, which is Node's own for POSIX. */
import posix from "path-browserify";
import win32 from "./path_win32.js";

export const { basename, delimiter, dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve, sep } = posix;
/** POSIX has no other names for a path. @param {string} path */
export const toNamespacedPath = (path) => path;
const path = Object.assign(posix, { win32, toNamespacedPath, posix });
export { win32, path as posix };
export default path;
