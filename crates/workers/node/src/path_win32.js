/** `node:path/win32` (https://nodejs.org/api/path.html): drives, UNC shares, and both slashes. */
import { requireString } from "./errors.js";
import { extensionOf, formatter, lastSegment, nameAndExtension, relativeSegments, segmentsOf, withoutDots, withoutSuffix } from "./path_parts.js";

const SEPARATORS = /[\\/]/;
const isSeparator = (/** @type {string | undefined} */ letter) => letter === "\\" || letter === "/";
const hasDrive = (/** @type {string} */ path) => /^[a-zA-Z]:/.test(path);
export const sep = "\\";
export const delimiter = ";";
export const format = formatter(sep);

/**
 * What a path begins with: its device (`C:`, `\\server\share`), how long the root is with the separator after it, and whether the root is all that
 * there is of a share.
 * @param {string} path
 */
function rootOf(path) {
  const share = /^[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)/.exec(path);
  if (share !== null) {
    const end = share[0].length;
    return { device: `\\\\${share[1]}\\${share[2]}`, length: end < path.length ? end + 1 : end, isAbsolute: true };
  }
  if (isSeparator(path[0])) return { device: "", length: 1, isAbsolute: true };
  if (!hasDrive(path)) return { device: "", length: 0, isAbsolute: false };
  return isSeparator(path[2]) ? { device: path.slice(0, 2), length: 3, isAbsolute: true } : { device: path.slice(0, 2), length: 2, isAbsolute: false };
}

/** @param {string} path */
export function isAbsolute(path) {
  requireString(path, "path");
  return isSeparator(path[0]) || (hasDrive(path) && isSeparator(path[2]));
}

/** @param {string} path */
export function normalize(path) {
  requireString(path, "path");
  if (path === "") return ".";
  const root = rootOf(path);
  let tail = withoutDots(segmentsOf(path.slice(root.length), SEPARATORS), root.isAbsolute).join("\\");
  if (tail === "" && !root.isAbsolute) tail = ".";
  if (tail !== "" && path.length > root.length && isSeparator(path.at(-1))) tail += "\\";
  // What did not begin with a drive must not do so afterwards.
  if (root.length === 0 && (hasDrive(tail) || /:(?:[\\/]|$)/.test(path))) return `.\\${tail}`;
  return `${root.device}${root.isAbsolute ? "\\" : ""}${tail}`;
}

/** @param {string[]} paths */
export function join(...paths) {
  for (const path of paths) requireString(path, "path");
  const [first, ...rest] = paths.filter((path) => path !== "");
  if (first === undefined) return ".";
  const joined = [first, ...rest].join("\\");
  // Two separators begin a share only where the first path alone has them, and a name after them.
  const isShare = /^[\\/]{2}[^\\/]/.test(first);
  return normalize(isShare ? joined : joined.replace(/^[\\/]{2,}/, "\\"));
}

/** @param {string[]} paths */
export function resolve(...paths) {
  let device = "";
  let tail = "";
  let absolute = false;
  for (let i = paths.length - 1; i >= -1 && !(absolute && device !== ""); i--) {
    if (i >= 0) requireString(paths[i], `paths[${i}]`);
    // The working directory, of the drive that was named.
    const path = i >= 0 ? /** @type {string} */ (paths[i]) : device === "" ? "/" : `${device}\\`;
    if (path === "") continue;
    const name = /^[\\/]{2}[.?](?=[\\/]+[^\\/])/.exec(path);
    // `\\.\NAME` is a device, and no share.
    const root = name === null ? rootOf(path) : { device: `\\\\${path[2]}`, length: 4, isAbsolute: true };
    if (root.device !== "") {
      if (device !== "" && root.device.toLowerCase() !== device.toLowerCase()) continue;
      device ||= root.device;
    }
    if (absolute) continue;
    tail = `${path.slice(root.length)}\\${tail}`;
    absolute = root.isAbsolute;
  }
  const text = withoutDots(segmentsOf(tail, SEPARATORS), absolute).join("\\");
  return `${device}${absolute ? "\\" : ""}${text}` || ".";
}

/** @param {string} from @param {string} to */
export function relative(from, to) {
  requireString(from, "from");
  requireString(to, "to");
  const start = resolve(from);
  const end = resolve(to);
  if (start.toLowerCase() === end.toLowerCase()) return "";
  const segments = segmentsOf(start, SEPARATORS);
  const { common, text } = relativeSegments(segments, segmentsOf(end, SEPARATORS), "\\", (segment) => segment.toLowerCase());
  // From one drive or server to another there is no way.
  return common === 0 && segments.length > 0 && end !== "\\" ? end : text;
}

/** @param {string} path */
export function dirname(path) {
  requireString(path, "path");
  const root = rootOf(path);
  if (path.length <= root.length) return path === "" ? "." : path;
  const { start } = lastSegment(path, root.length, isSeparator);
  return path.slice(0, Math.max(start - 1, root.length)) || ".";
}

/** @param {string} path @param {string} [suffix] */
export function basename(path, suffix) {
  requireString(path, "path");
  const { start, end } = lastSegment(path, hasDrive(path) ? 2 : 0, isSeparator);
  return withoutSuffix(path.slice(start, end), suffix, path);
}

/** @param {string} path */
export function extname(path) {
  return extensionOf(basename(path));
}

/** @param {string} path */
export function parse(path) {
  requireString(path, "path");
  const { length } = rootOf(path);
  const root = path.slice(0, length);
  const { start, end } = lastSegment(path, length, isSeparator);
  const dir = start > length ? path.slice(0, start - 1) : root;
  return { root, dir, ...nameAndExtension(path.slice(start, end)) };
}

/** The name that has no limit of length. @param {any} path */
export function toNamespacedPath(path) {
  if (typeof path !== "string" || path === "") return path;
  const whole = resolve(path);
  if (whole.length <= 2) return path;
  if (/^\\\\[^?.]/.test(whole)) return `\\\\?\\UNC\\${whole.slice(2)}`;
  return /^[a-zA-Z]:\\/.test(whole) ? `\\\\?\\${whole}` : whole;
}
export { toNamespacedPath as _makeLong };

const win32 = { _makeLong: toNamespacedPath, basename, delimiter, dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve, sep, toNamespacedPath };
export default win32;
