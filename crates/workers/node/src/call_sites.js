/**
 * `Error.captureStackTrace` as packages written for V8 use it (https://v8.dev/docs/stack-trace-api): `Error.prepareStackTrace` gets the calls
 * one by one, and what it gives is the stack. The engine's own knows the text only.
 */
const original = /** @type {any} */ (Error).captureStackTrace;
/** A line of the engine's text: `    at name (file:1:2)`, `name@file:1:2`. */
const LINE = /^(?:\s*at (?:(.*) \()?|(.*?)@)?(.*?):(\d+):(\d+)\)?$/;

/** A call, as far as the text tells of it. */
class CallSite {
  #name;
  #file;
  #line;
  #column;
  /** @param {string | undefined} name @param {string} file @param {number} line @param {number} column */
  constructor(name, file, line, column) {
    this.#name = name;
    this.#file = file;
    this.#line = line;
    this.#column = column;
  }

  getFileName() {
    return this.#file;
  }

  getScriptNameOrSourceURL() {
    return this.#file;
  }

  getLineNumber() {
    return this.#line;
  }

  getColumnNumber() {
    return this.#column;
  }

  getFunctionName() {
    return this.#name || null;
  }

  getMethodName() {
    return null;
  }

  getTypeName() {
    return null;
  }

  getThis() {
    return undefined;
  }

  getFunction() {
    return undefined;
  }

  getEvalOrigin() {
    return undefined;
  }

  isNative() {
    return false;
  }

  isToplevel() {
    return true;
  }

  isEval() {
    return false;
  }

  isConstructor() {
    return false;
  }

  isAsync() {
    return false;
  }

  isPromiseAll() {
    return false;
  }

  getPromiseIndex() {
    return null;
  }

  toString() {
    const place = `${this.#file}:${this.#line}:${this.#column}`;
    return this.#name ? `${this.#name} (${place})` : place;
  }
}

/** @param {string} stack */
function callSitesOf(stack) {
  const sites = [];
  for (const line of stack.split("\n")) {
    const found = LINE.exec(line);
    if (found !== null) sites.push(new CallSite(found[1] ?? found[2], found[3] ?? "", Number(found[4]), Number(found[5])));
  }
  return sites;
}

/** @param {any} target @param {Function} [below] calls above it are left out */
function captureStackTrace(target, below = captureStackTrace) {
  original.call(Error, target, below);
  const prepare = /** @type {any} */ (Error).prepareStackTrace;
  if (typeof prepare !== "function") return;
  const value = prepare(target, callSitesOf(`${target.stack}`));
  Object.defineProperty(target, "stack", { value, writable: true, configurable: true, enumerable: false });
}

if (typeof original === "function") Object.defineProperty(Error, "captureStackTrace", { value: captureStackTrace, writable: true, configurable: true, enumerable: false });
