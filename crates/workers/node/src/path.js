/** `node:path`: paths as POSIX has them, which is what a Worker's platform says it is. */
import posix from "./path_posix.js";
import win32 from "./path_win32.js";

export * from "./path_posix.js";
const path = Object.assign(posix, { posix, win32 });
Object.assign(win32, { posix, win32 });
export { posix, win32 };
export default path;
