/** `node:assert/strict`. */
import { deepStrictEqual, notDeepStrictEqual, notStrictEqual, strict, strictEqual } from "./assert.js";

export {
  AssertionError, deepStrictEqual, doesNotMatch, doesNotReject, doesNotThrow, fail, ifError, match, notDeepStrictEqual, notStrictEqual, ok,
  partialDeepStrictEqual, rejects, strict, strictEqual, throws,
} from "./assert.js";
export { deepStrictEqual as deepEqual, notDeepStrictEqual as notDeepEqual, notStrictEqual as notEqual, strictEqual as equal };
export default strict;
