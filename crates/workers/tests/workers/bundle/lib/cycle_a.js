import { b } from "./cycle_b.js";
export function a(depth = 0) {
  return depth > 3 ? depth : b(depth + 1);
}
