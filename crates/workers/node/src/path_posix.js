/** `node:path/posix` (https://nodejs.org/api/path.html). The working directory of a Worker is `/`. */
import { requireString } from "./errors.js";
import { extensionOf, formatter, lastSegment, nameAndExtension, relativeSegments, segmentsOf, withoutDots, withoutSuffix } from "./path_parts.js";

const isSeparator = (/** @type {string | undefined} */ letter) => letter === "/";
export const sep = "/";
export const delimiter = ":";
export const format = formatter(sep);

/** @param {string} path */
export function isAbsolute(path) {
  requireString(path, "path");
  return path.startsWith("/");
}

/** @param {string} path */
export function normalize(path) {
  requireString(path, "path");
  if (path === "") return ".";
  const absolute = path.startsWith("/");
  const text = withoutDots(segmentsOf(path, /\//), absolute).join("/");
  const end = path.endsWith("/") ? "/" : "";
  if (text === "") return absolute ? "/" : `.${end}`;
  return `${absolute ? "/" : ""}${text}${end}`;
}

/** @param {string[]} paths */
export function join(...paths) {
  for (const path of paths) requireString(path, "path");
  return normalize(paths.filter((path) => path !== "").join("/"));
}

/** @param {string[]} paths */
export function resolve(...paths) {
  let whole = "";
  for (let i = paths.length - 1; i >= 0 && !whole.startsWith("/"); i--) {
    const path = /** @type {string} */ (paths[i]);
    requireString(path, `paths[${i}]`);
    if (path !== "") whole = `${path}/${whole}`;
  }
  return `/${withoutDots(segmentsOf(whole, /\//), true).join("/")}`;
}

/** @param {string} from @param {string} to */
export function relative(from, to) {
  requireString(from, "from");
  requireString(to, "to");
  return relativeSegments(segmentsOf(resolve(from), /\//), segmentsOf(resolve(to), /\//), "/", (segment) => segment).text;
}

/** @param {string} path */
export function dirname(path) {
  requireString(path, "path");
  if (path === "") return ".";
  const root = path.startsWith("/") ? 1 : 0;
  const { start } = lastSegment(path, root, isSeparator);
  if (start <= root) return root === 1 ? "/" : ".";
  // Of several separators one is left out.
  return start === 2 && root === 1 ? "//" : path.slice(0, start - 1);
}

/** @param {string} path @param {string} [suffix] */
export function basename(path, suffix) {
  requireString(path, "path");
  const { start, end } = lastSegment(path, 0, isSeparator);
  return withoutSuffix(path.slice(start, end), suffix, path);
}

/** @param {string} path */
export function extname(path) {
  return extensionOf(basename(path));
}

/** @param {string} path */
export function parse(path) {
  requireString(path, "path");
  const root = path.startsWith("/") ? "/" : "";
  const { start, end } = lastSegment(path, root.length, isSeparator);
  const dir = start > root.length ? path.slice(0, start - 1) : root;
  return { root, dir, ...nameAndExtension(path.slice(start, end)) };
}

/** POSIX has no other names for a path. @param {string} path */
export const toNamespacedPath = (path) => path;
export { toNamespacedPath as _makeLong };

const posix = { _makeLong: toNamespacedPath, basename, delimiter, dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve, sep, toNamespacedPath };
export default posix;
