/** `node:util` (https://nodejs.org/api/util.html). */
import { deepEqual } from "./deep_equal.js";
import { coded, invalidArgType, requireFunction, requireString } from "./errors.js";
import { format, inspect as show } from "./internal_inspect.js";
import { parseArgs } from "./parse_args.js";
import types from "./util_types.js";

export { parseArgs, types };
export const { TextDecoder, TextEncoder } = globalThis;

const CUSTOM_PROMISIFY = Symbol.for("nodejs.util.promisify.custom");
const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** @param {any} value @param {any} [options] */
export function inspect(value, options) {
  return show(value, options);
}
inspect.custom = CUSTOM_INSPECT;
inspect.defaultOptions = { depth: 2, colors: false };
inspect.colors = Object.freeze({ __proto__: null });
inspect.styles = Object.freeze({ __proto__: null });

export { format };
/** @param {any} _options @param {any[]} values */
export const formatWithOptions = (_options, ...values) => format(...values);

/** @param {any} original */
export function promisify(original) {
  requireFunction(original, "original");
  const custom = original[CUSTOM_PROMISIFY];
  if (custom !== undefined) {
    requireFunction(custom, "util.promisify.custom");
    return Object.defineProperty(custom, CUSTOM_PROMISIFY, { value: custom, configurable: true });
  }
  /** @this {any} @param {any[]} values */
  function promisified(...values) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...values, (/** @type {any} */ error, /** @type {any} */ value) => (error ? reject(error) : resolve(value))]);
    });
  }
  Object.setPrototypeOf(promisified, Object.getPrototypeOf(original));
  Object.defineProperty(promisified, CUSTOM_PROMISIFY, { value: promisified, configurable: true });
  return Object.defineProperties(promisified, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = CUSTOM_PROMISIFY;

/** @param {any} original */
export function callbackify(original) {
  requireFunction(original, "original");
  /** @this {any} @param {any[]} values */
  function callbackified(...values) {
    const callback = values.pop();
    requireFunction(callback, "last argument");
    Promise.resolve(Reflect.apply(original, this, values)).then(
      (value) => queueMicrotask(() => callback(null, value)),
      (reason) => {
        const error = reason || Object.assign(coded(Error, "ERR_FALSY_VALUE_REJECTION", "Promise was rejected with falsy value"), { reason });
        queueMicrotask(() => callback(error));
      },
    );
  }
  const descriptors = Object.getOwnPropertyDescriptors(original);
  if (typeof descriptors["length"]?.value === "number") descriptors["length"].value += 1;
  if (typeof descriptors["name"]?.value === "string") descriptors["name"].value += "Callbackified";
  return Object.defineProperties(callbackified, descriptors);
}

/** @param {any} constructor @param {any} base */
export function inherits(constructor, base) {
  requireFunction(constructor, "ctor");
  requireFunction(base, "superCtor");
  if (base.prototype === undefined) throw invalidArgType("superCtor.prototype", "of type object", base.prototype);
  Object.defineProperty(constructor, "super_", { value: base, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, base.prototype);
}

/** @param {any} target @param {any} source */
export function _extend(target, source) {
  return source !== null && typeof source === "object" ? Object.assign(target, source) : target;
}

/** @type {Set<string>} */
const warned = new Set();
/** @param {any} original @param {string} message @param {string} [code] */
export function deprecate(original, message, code) {
  requireFunction(original, "fn");
  const key = code ?? message;
  /** @this {any} @param {any[]} values */
  function deprecated(...values) {
    if (!warned.has(key)) {
      warned.add(key);
      console.warn(`${code === undefined ? "" : `[${code}] `}DeprecationWarning: ${message}`);
    }
    return new.target ? Reflect.construct(original, values, new.target) : Reflect.apply(original, this, values);
  }
  Object.setPrototypeOf(deprecated, original);
  if (original.prototype) deprecated.prototype = original.prototype;
  return deprecated;
}

/** Writes only for the sections that `NODE_DEBUG` names. @param {string} section */
export function debuglog(section) {
  const wanted = () => {
    const sections = /** @type {any} */ (globalThis).process?.env?.NODE_DEBUG ?? "";
    return sections.toUpperCase().split(",").includes(section.toUpperCase());
  };
  const log = (/** @type {any[]} */ ...values) => {
    if (wanted()) console.error(`${section.toUpperCase()}: ${format(...values)}`);
  };
  return Object.defineProperty(log, "enabled", { get: wanted });
}
export const debug = debuglog;
/** @param {any[]} values */
export const log = (...values) => console.log(format(...values));

/** @param {any} a @param {any} b */
export const isDeepStrictEqual = (a, b) => deepEqual(a, b, true);

/** @param {string} text */
export const toUSVString = (text) => `${text}`.toWellFormed();

const ESCAPES = /[\u001B\u009B][[\]()#;?]*(?:(?:(?:;[-a-zA-Z\d/#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d/#&.:=?%@~_]*)*)?\u0007|(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~])/g;
/** @param {string} text */
export function stripVTControlCharacters(text) {
  requireString(text, "str");
  return text.replace(ESCAPES, "");
}

const STYLES = /** @type {Record<string, [number, number]>} */ ({
  reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], inverse: [7, 27], hidden: [8, 28], strikethrough: [9, 29],
  black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39], white: [37, 39],
  gray: [90, 39], grey: [90, 39], redBright: [91, 39], greenBright: [92, 39], yellowBright: [93, 39], blueBright: [94, 39],
  magentaBright: [95, 39], cyanBright: [96, 39], whiteBright: [97, 39], bgRed: [41, 49], bgGreen: [42, 49], bgYellow: [43, 49], bgBlue: [44, 49],
});
/** @param {string | string[]} names @param {string} text */
export function styleText(names, text) {
  requireString(text, "text");
  return [names].flat().reduceRight((inner, name) => {
    const style = STYLES[name];
    if (style === undefined) throw invalidArgType("format", `one of ${Object.keys(STYLES).join(", ")}`, name);
    return `\u001B[${style[0]}m${inner}\u001B[${style[1]}m`;
  }, text);
}

/** The variables of a `.env` file. @param {string} content */
export function parseEnv(content) {
  requireString(content, "content");
  /** @type {Record<string, string>} */
  const variables = {};
  const line = /^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$/gm;
  for (const [, name, raw = ""] of content.matchAll(line)) {
    const value = raw.trim();
    const quoted = /^(['"`])([\s\S]*)\1$/.exec(value);
    const text = quoted ? /** @type {string} */ (quoted[2]) : value;
    variables[/** @type {string} */ (name)] = quoted?.[1] === '"' ? text.replaceAll("\\n", "\n") : text;
  }
  return variables;
}

/** Resolves when the signal aborts. @param {AbortSignal} signal */
export function aborted(signal) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
export const transferableAbortController = () => new AbortController();
/** @param {AbortSignal} signal */
export const transferableAbortSignal = (signal) => signal;

/** The frames of the stack at the call. @param {number} [most] */
export function getCallSites(most = 10) {
  const lines = (new Error().stack ?? "").split("\n").slice(1, 1 + most);
  return lines.map((line) => {
    const [, functionName = "", scriptName = "", lineNumber = "0", column = "0"] = /^\s*(?:at )?(.*?)[ @(]*([^@( ]*?):(\d+):(\d+)\)?$/.exec(line) ?? [];
    return { functionName, scriptName, scriptId: "0", lineNumber: Number(lineNumber), columnNumber: Number(column), column: Number(column) };
  });
}

export const isArray = Array.isArray;
export const { isDate, isRegExp, isNativeError: isError } = types;
/** @param {any} value */
export const isBoolean = (value) => typeof value === "boolean";
/** @param {any} value */
export const isBuffer = (value) => /** @type {any} */ (globalThis).Buffer?.isBuffer(value) ?? false;
/** @param {any} value */
export const isFunction = (value) => typeof value === "function";
/** @param {any} value */
export const isNull = (value) => value === null;
/** @param {any} value */
export const isNullOrUndefined = (value) => value === null || value === undefined;
/** @param {any} value */
export const isNumber = (value) => typeof value === "number";
/** @param {any} value */
export const isObject = (value) => value !== null && typeof value === "object";
/** @param {any} value */
export const isPrimitive = (value) => value === null || (typeof value !== "object" && typeof value !== "function");
/** @param {any} value */
export const isString = (value) => typeof value === "string";
/** @param {any} value */
export const isSymbol = (value) => typeof value === "symbol";
/** @param {any} value */
export const isUndefined = (value) => value === undefined;

/** A media type (https://mimesniff.spec.whatwg.org/). */
export class MIMEType {
  /** @param {string} input */
  constructor(input) {
    const match = /^\s*([^/;\s]+)\/([^;\s]+)\s*(?:;(.*))?$/.exec(`${input}`);
    if (match === null) throw coded(TypeError, "ERR_INVALID_MIME_SYNTAX", `The MIME syntax for a type in ${show(input)} is invalid`);
    this.type = /** @type {string} */ (match[1]).toLowerCase();
    this.subtype = /** @type {string} */ (match[2]).toLowerCase();
    this.params = new Map();
    for (const [, name, quoted, plain] of (match[3] ?? "").matchAll(/\s*([^=;]+)=(?:"((?:\\.|[^"\\])*)"|([^;]*))/g)) {
      const key = /** @type {string} */ (name).toLowerCase().trim();
      if (!this.params.has(key)) this.params.set(key, quoted?.replace(/\\(.)/g, "$1") ?? plain?.trim() ?? "");
    }
  }

  get essence() {
    return `${this.type}/${this.subtype}`;
  }

  toString() {
    let text = this.essence;
    for (const [name, value] of this.params) text += `;${name}=${/^[\w!#$%&'*+.^`|~-]+$/.test(value) ? value : JSON.stringify(value)}`;
    return text;
  }

  toJSON() {
    return this.toString();
  }
}

export default {
  MIMEType, TextDecoder, TextEncoder, _extend, aborted, callbackify, debug, debuglog, deprecate, format, formatWithOptions, getCallSites, inherits,
  inspect, isArray, isBoolean, isBuffer, isDate, isDeepStrictEqual, isError, isFunction, isNull, isNullOrUndefined, isNumber, isObject,
  isPrimitive, isRegExp, isString, isSymbol, isUndefined, log, parseArgs, parseEnv, promisify, stripVTControlCharacters, styleText, toUSVString,
  transferableAbortController, transferableAbortSignal, types,
};
