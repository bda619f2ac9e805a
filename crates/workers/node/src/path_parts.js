/** What POSIX paths and Windows paths have in common: segments between separators, and the parts of the last one. */
import { invalidArgType, requireString } from "./errors.js";

/** @param {string} path @param {RegExp} separators */
export const segmentsOf = (path, separators) => path.split(separators).filter((segment) => segment !== "");

/**
 * Takes `.` out, and `..` with the segment before it.
 * @param {string[]} segments @param {boolean} isAbsolute above the root there is nothing
 */
export function withoutDots(segments, isAbsolute) {
  /** @type {string[]} */
  const kept = [];
  for (const segment of segments) {
    if (segment === ".") continue;
    if (segment !== "..") kept.push(segment);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (!isAbsolute) kept.push("..");
  }
  return kept;
}

/**
 * Where the last segment lies, separators after it left out.
 * @param {string} path @param {number} from where segments may begin @param {(letter: string | undefined) => boolean} isSeparator
 */
export function lastSegment(path, from, isSeparator) {
  let end = path.length;
  while (end > from && isSeparator(path[end - 1])) end--;
  let start = end;
  while (start > from && !isSeparator(path[start - 1])) start--;
  return { start, end };
}

/** @param {string} name a segment */
export function extensionOf(name) {
  const dot = name.lastIndexOf(".");
  return dot <= 0 || name === ".." ? "" : name.slice(dot);
}

/** @param {string} base @param {any} suffix @param {string} path the whole of it */
export function withoutSuffix(base, suffix, path) {
  if (suffix === undefined) return base;
  requireString(suffix, "suffix");
  if (suffix === path) return "";
  return base !== suffix && base.endsWith(suffix) ? base.slice(0, base.length - suffix.length) : base;
}

/** @param {string} base */
export function nameAndExtension(base) {
  const ext = extensionOf(base);
  return { base, ext, name: base.slice(0, base.length - ext.length) };
}

/** @param {string} separator */
export const formatter = (separator) =>
  function format(/** @type {any} */ parts) {
    if (parts === null || typeof parts !== "object") throw invalidArgType("pathObject", "of type object", parts);
    const { root, ext } = parts;
    const dir = parts.dir || root;
    const base = parts.base || `${parts.name || ""}${ext ? `${ext[0] === "." ? "" : "."}${ext}` : ""}`;
    if (!dir) return base;
    return dir === root ? `${dir}${base}` : `${dir}${separator}${base}`;
  };

/** `to` as seen from `from`, both in segments. @param {string[]} from @param {string[]} to @param {string} separator @param {(segment: string) => string} folded */
export function relativeSegments(from, to, separator, folded) {
  let common = 0;
  while (common < from.length && common < to.length && folded(/** @type {string} */ (from[common])) === folded(/** @type {string} */ (to[common]))) common++;
  return { common, text: [...from.slice(common).map(() => ".."), ...to.slice(common)].join(separator) };
}
