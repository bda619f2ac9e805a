/** `node:assert` (https://nodejs.org/api/assert.html). */
import { deepEqual as equalDeep } from "./deep_equal.js";
import { coded, invalidArgType, requireFunction } from "./errors.js";
import { inspect } from "./internal_inspect.js";
import { isPromise, isRegExp } from "./util_types.js";

/** @typedef {string | Error | undefined} Message */

export class AssertionError extends Error {
  /** @param {{message?: Message, actual?: any, expected?: any, operator?: string, stackStartFn?: Function}} options */
  constructor(options) {
    const { message, actual, expected, operator } = options;
    super(message === undefined ? describe(actual, expected, operator) : `${message}`);
    this.generatedMessage = message === undefined;
    this.code = "ERR_ASSERTION";
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    Object.defineProperty(this, "name", { value: "AssertionError", writable: true, configurable: true });
    /** @type {any} */ (Error).captureStackTrace?.(this, options.stackStartFn);
  }
}

const RELATIONS = /** @type {Record<string, string>} */ ({
  deepEqual: "Expected values to be loosely deep-equal:",
  deepStrictEqual: "Expected values to be strictly deep-equal:",
  equal: "Expected values to be loosely equal:",
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notEqual: 'Expected "actual" to be loosely unequal to:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  partialDeepStrictEqual: "Expected values to be partially and strictly deep-equal:",
  strictEqual: "Expected values to be strictly equal:",
});

/** @param {any} actual @param {any} expected @param {string | undefined} operator */
function describe(actual, expected, operator) {
  if (operator === "fail") return "Failed";
  const relation = operator === undefined ? undefined : RELATIONS[operator];
  if (relation === undefined) return `${inspect(actual)} ${operator} ${inspect(expected)}`;
  if (/** @type {string} */ (operator).startsWith("not")) return `${relation}\n\n${inspect(expected)}\n`;
  const [left, right] = [inspect(actual), inspect(expected)];
  if (!left.includes("\n") && !right.includes("\n") && left.length + right.length < 70) return `${relation}\n\n${left} !== ${right}\n`;
  return `${relation}\n+ actual - expected\n\n${prefixed("+ ", left)}\n${prefixed("- ", right)}\n`;
}

/** @param {string} prefix @param {string} text */
const prefixed = (prefix, text) => text.split("\n").map((line) => prefix + line).join("\n");

/** @param {{message?: Message, actual?: any, expected?: any, operator: string, stackStartFn: Function}} facts @returns {never} */
function refuse(facts) {
  if (facts.message instanceof Error) throw facts.message;
  throw new AssertionError(facts);
}

/** @param {any} value @param {Message} message @param {Function} start */
function requireTruthy(value, message, start) {
  if (value) return;
  const said = message ?? `The expression evaluated to a falsy value:\n\n  ${start === ok ? "assert.ok" : "assert"}(${inspect(value)})\n`;
  if (said instanceof Error) throw said;
  const error = new AssertionError({ message: said, actual: value, expected: true, operator: "==", stackStartFn: start });
  error.generatedMessage = message === undefined;
  throw error;
}

/** @param {any} value @param {Message} [message] */
function assert(value, message) {
  if (arguments.length === 0) throw noValue(assert);
  requireTruthy(value, message, assert);
}

/** @param {any} value @param {Message} [message] */
export function ok(value, message) {
  if (arguments.length === 0) throw noValue(ok);
  requireTruthy(value, message, ok);
}

/** @param {Function} start */
const noValue = (start) =>
  Object.assign(
    new AssertionError({ message: "No value argument passed to `assert.ok()`", actual: undefined, expected: true, operator: "==", stackStartFn: start }),
    { generatedMessage: true },
  );

/** A comparison as an assertion. @param {string} operator @param {(actual: any, expected: any) => boolean} holds */
function comparison(operator, holds) {
  /** @param {any} actual @param {any} expected @param {Message} [message] */
  function check(actual, expected, message) {
    if (arguments.length < 2) throw coded(TypeError, "ERR_MISSING_ARGS", 'The "actual" and "expected" arguments must be specified');
    if (!holds(actual, expected)) refuse({ message, actual, expected, operator, stackStartFn: check });
  }
  return Object.defineProperty(check, "name", { value: operator });
}

/** @param {any} a @param {any} b */
const looselyEqual = (a, b) => a == b || (Number.isNaN(a) && Number.isNaN(b));
export const equal = comparison("equal", looselyEqual);
export const notEqual = comparison("notEqual", (a, b) => !looselyEqual(a, b));
export const strictEqual = comparison("strictEqual", Object.is);
export const notStrictEqual = comparison("notStrictEqual", (a, b) => !Object.is(a, b));
export const deepEqual = comparison("deepEqual", (a, b) => equalDeep(a, b, false));
export const notDeepEqual = comparison("notDeepEqual", (a, b) => !equalDeep(a, b, false));
export const deepStrictEqual = comparison("deepStrictEqual", (a, b) => equalDeep(a, b, true));
export const notDeepStrictEqual = comparison("notDeepStrictEqual", (a, b) => !equalDeep(a, b, true));
export const partialDeepStrictEqual = comparison("partialDeepStrictEqual", contains);

/** Whether all that `expected` has is in `actual`. @param {any} actual @param {any} expected @returns {boolean} */
function contains(actual, expected) {
  const plain = (/** @type {any} */ value) => value !== null && typeof value === "object" && (Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value)));
  if (!plain(actual) || !plain(expected) || Array.isArray(actual) !== Array.isArray(expected)) return equalDeep(actual, expected, true);
  return Reflect.ownKeys(expected).every((key) => Object.hasOwn(actual, key) && contains(actual[key], expected[key]));
}

/** @param {Message} [message] @returns {never} */
export function fail(message = "Failed") {
  if (message instanceof Error) throw message;
  throw new AssertionError({ message, operator: "fail", stackStartFn: fail });
}

/** @param {any} value */
export function ifError(value) {
  if (value === null || value === undefined) return;
  const said = value instanceof Error && value.message ? value.message : inspect(value);
  throw new AssertionError({ message: `ifError got unwanted exception: ${said}`, actual: value, expected: null, operator: "ifError", stackStartFn: ifError });
}

/** @param {string} text @param {RegExp} pattern @param {Message} [message] */
export function match(text, pattern, message) {
  requireMatch(text, pattern, message, true, match);
}

/** @param {string} text @param {RegExp} pattern @param {Message} [message] */
export function doesNotMatch(text, pattern, message) {
  requireMatch(text, pattern, message, false, doesNotMatch);
}

/** @param {any} text @param {any} pattern @param {Message} message @param {boolean} wanted @param {Function} start */
function requireMatch(text, pattern, message, wanted, start) {
  if (!isRegExp(pattern)) throw invalidArgType("regexp", "an instance of RegExp", pattern);
  if (typeof text === "string" && pattern.test(text) === wanted) return;
  const said =
    message ??
    (typeof text !== "string"
      ? `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})`
      : `The input ${wanted ? "did not match" : "was expected to not match"} the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`);
  refuse({ message: said, actual: text, expected: pattern, operator: start.name, stackStartFn: start });
}

/** What a function throws. @param {() => any} code @returns {{thrown: true, error: any} | {thrown: false}} */
function thrownBy(code) {
  requireFunction(code, "fn");
  try {
    code();
  } catch (error) {
    return { thrown: true, error };
  }
  return { thrown: false };
}

/** What a promise, or the one that a function gives, is rejected with. @param {any} code */
async function rejectedBy(code) {
  let promise = code;
  if (typeof code === "function") {
    promise = code();
    if (typeof promise?.then !== "function") {
      throw coded(TypeError, "ERR_INVALID_RETURN_VALUE", 'Expected instance of Promise to be returned from the "promiseFn" function.');
    }
  } else if (!isPromise(code) && typeof code?.then !== "function") {
    throw invalidArgType("promiseFn", "of type function or an instance of Promise", code);
  }
  try {
    await promise;
  } catch (error) {
    return { thrown: true, error };
  }
  return { thrown: false };
}

/** @param {any} result @param {any} expected @param {Message} message @param {Function} start */
function requireThrown(result, expected, message, start) {
  const rejects_ = start === rejects;
  if (typeof expected === "string") {
    message = expected;
    expected = undefined;
  }
  if (!result.thrown) {
    const what = expected?.name ? ` (${expected.name})` : "";
    const said = message instanceof Error ? message : `Missing expected ${rejects_ ? "rejection" : "exception"}${what}${message ? `: ${message}` : "."}`;
    refuse({ message: said, actual: undefined, expected, operator: start.name, stackStartFn: start });
  }
  if (expected !== undefined) requireFits(result.error, expected, message, start);
}

/** @param {any} error @param {any} expected @param {Message} message @param {Function} start */
function requireFits(error, expected, message, start) {
  const facts = { actual: error, expected, operator: start.name, stackStartFn: start };
  if (typeof expected === "function") {
    if (expected.prototype !== undefined && error instanceof expected) return;
    if (Object.prototype.isPrototypeOf.call(Error, expected) || expected === Error) throw error;
    if (Reflect.apply(expected, {}, [error]) === true) return;
    refuse({ ...facts, message: message ?? `The ${expected.name ? `"${expected.name}" ` : ""}validation function is expected to return "true".` });
  }
  if (isRegExp(expected)) {
    if (expected.test(`${error}`)) return;
    refuse({ ...facts, message: message ?? `The input did not match the regular expression ${expected}. Input:\n\n${inspect(`${error}`)}\n` });
  }
  if (expected === null || typeof expected !== "object") throw invalidArgType("expected", "of type function or an instance of Error, RegExp, or Object", expected);
  const keys = Object.keys(expected);
  if (expected instanceof Error) keys.push("name", "message");
  for (const key of keys) {
    const [is, should] = [error?.[key], expected[key]];
    if (typeof is === "string" && isRegExp(should) ? should.test(is) : equalDeep(is, should, true)) continue;
    refuse({ ...facts, message: message ?? `The property "${key}" of the error is ${inspect(is)}, expected ${inspect(should)}.` });
  }
}

/** @param {() => any} code @param {any} [expected] @param {Message} [message] */
export function throws(code, expected, message) {
  requireThrown(thrownBy(code), expected, message, throws);
}

/** @param {any} code @param {any} [expected] @param {Message} [message] */
export async function rejects(code, expected, message) {
  requireThrown(await rejectedBy(code), expected, message, rejects);
}

/** @param {any} result @param {any} expected @param {Message} message @param {Function} start */
function requireNotThrown(result, expected, message, start) {
  if (!result.thrown) return;
  const said = typeof expected === "string" ? expected : message;
  if (typeof expected === "function" && !(result.error instanceof expected)) throw result.error;
  const what = start === doesNotReject ? "rejection" : "exception";
  refuse({ message: `Got unwanted ${what}${said ? `: ${said}` : "."}\nActual message: "${result.error?.message}"`, actual: result.error, expected, operator: start.name, stackStartFn: start });
}

/** @param {() => any} code @param {any} [expected] @param {Message} [message] */
export function doesNotThrow(code, expected, message) {
  requireNotThrown(thrownBy(code), expected, message, doesNotThrow);
}

/** @param {any} code @param {any} [expected] @param {Message} [message] */
export async function doesNotReject(code, expected, message) {
  requireNotThrown(await rejectedBy(code), expected, message, doesNotReject);
}

/** @param {any} value @param {Message} [message] */
function strict(value, message) {
  requireTruthy(value, message, strict);
}
export { strict };

const common = {
  AssertionError, deepStrictEqual, doesNotMatch, doesNotReject, doesNotThrow, fail, ifError, match, notDeepStrictEqual, notStrictEqual, ok,
  partialDeepStrictEqual, rejects, strict, strictEqual, throws,
};
Object.assign(assert, common, { deepEqual, equal, notDeepEqual, notEqual });
Object.assign(strict, common, {
  deepEqual: deepStrictEqual,
  equal: strictEqual,
  notDeepEqual: notDeepStrictEqual,
  notEqual: notStrictEqual,
});
export default assert;
