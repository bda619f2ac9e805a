/** `node:path/win32`: the `pathe` package's reading of Windows paths. */
import * as pathe from "pathe";

export const { basename, dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve, toNamespacedPath } = pathe;
export const sep = "\\";
export const delimiter = ";";
export default { basename, delimiter, dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve, sep, toNamespacedPath };
