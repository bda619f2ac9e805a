import { a } from "./cycle_a.js";
export function b(depth) {
  return a(depth + 1);
}
