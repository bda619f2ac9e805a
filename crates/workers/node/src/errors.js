/** Errors as Node.js makes them: the class of the language, with a `code` (https://nodejs.org/api/errors.html). */
import { inspect } from "./internal_inspect.js";

/**
 * @param {new (message?: string) => Error} Base @param {string} code @param {string} message
 * @returns {any}
 */
export function coded(Base, code, message) {
  const error = /** @type {any} */ (new Base(message));
  error.code = code;
  if (code.startsWith("ERR_")) Object.defineProperty(error, "toString", { value: withCode, writable: true, configurable: true, enumerable: false });
  return error;
}

/** As Node.js writes its own errors. @this {any} */
function withCode() {
  return `${this.name} [${this.code}]: ${this.message}`;
}

/** What was given, for a message. @param {any} value */
function received(value) {
  if (value === null || value === undefined) return ` Received ${value}`;
  if (typeof value === "function") return ` Received function ${value.name}`;
  if (typeof value === "object") {
    const name = value.constructor?.name;
    return name ? ` Received an instance of ${name}` : ` Received ${inspect(value)}`;
  }
  const text = inspect(value);
  return ` Received type ${typeof value} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`;
}

/** @param {string} name @param {string} expected @param {unknown} value */
export function invalidArgType(name, expected, value) {
  const what = name.includes(" ") || name.includes(".") ? name : `"${name}" argument`;
  return coded(TypeError, "ERR_INVALID_ARG_TYPE", `The ${what} must be ${expected}.${received(value)}`);
}

/** @param {string} name @param {unknown} value @param {string} [reason] */
export function invalidArgValue(name, value, reason = "is invalid") {
  return coded(TypeError, "ERR_INVALID_ARG_VALUE", `The argument '${name}' ${reason}. Received ${inspect(value)}`);
}

/** @param {string} name @param {string} range @param {unknown} value */
export function outOfRange(name, range, value) {
  return coded(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`);
}

/** What Workers have no way to do. @param {string} what */
export function unavailable(what) {
  return coded(Error, "ERR_METHOD_NOT_IMPLEMENTED", `The ${what} method is not implemented`);
}

/** @param {unknown} value @param {string} name */
export function requireFunction(value, name) {
  if (typeof value !== "function") throw invalidArgType(name, "of type function", value);
}

/** @param {unknown} value @param {string} name */
export function requireString(value, name) {
  if (typeof value !== "string") throw invalidArgType(name, "of type string", value);
}

/** @param {any} value @param {string} name @param {number} [least] @param {number} [most] */
export function requireInteger(value, name, least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER) {
  if (typeof value !== "number") throw invalidArgType(name, "of type number", value);
  if (!Number.isInteger(value)) throw outOfRange(name, "an integer", value);
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
}
