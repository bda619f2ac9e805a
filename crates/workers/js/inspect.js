/** Values as text, for the console. Never throws; accessors are shown, not called. */
import { isBlob } from "./blob.js";
import { isDOMException } from "./dom_exception.js";
import { isHeaders, listOf } from "./headers.js";
import {
  Date,
  Error,
  Map,
  Promise,
  RegExp,
  Set,
  apply,
  arrayBufferByteLength,
  arrayIndexOf,
  bigintToString,
  dateGetTime,
  dateToISOString,
  functionToString,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  isArray,
  isArrayBuffer,
  isNaN,
  jsonStringify,
  mapForEach,
  mapSize,
  objectToString,
  ownKeys,
  regexpExec,
  regexpSource,
  setForEach,
  setSize,
  splitAt,
  startsWith,
  stringIndexOf,
  stringSlice,
  symbolToString,
  typedArrayLength,
  typedArrayName,
  WeakMap,
  WeakSet,
  String,
} from "./primordials.js";
import { isURL, hrefOf } from "./url.js";

const DEPTH = 4;
const MOST_ITEMS = 100;
const MOST_TEXT = 65536;
const LINE = 76;
const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

const errorStack = getOwnPropertyDescriptor(Error.prototype, "stack")?.get;

/** The stack of an error, as far as it is a text. @param {any} error */
export function stackOf(error) {
  const own = getOwnPropertyDescriptor(error, "stack");
  const stack = own !== undefined ? own.value : errorStack === undefined ? undefined : apply(errorStack, error, []);
  return typeof stack === "string" ? stack : "";
}

/** @param {any} object @param {string} name data property's value, up the prototypes */
function dataOf(object, name) {
  for (let at = object; at !== null; at = getPrototypeOf(at)) {
    const descriptor = getOwnPropertyDescriptor(at, name);
    if (descriptor !== undefined) return descriptor.value;
  }
  return undefined;
}

/** @param {any} value */
export function isError(value) {
  if (isDOMException(value)) return true;
  const isOne = /** @type {any} */ (Error).isError;
  return typeof isOne === "function" ? isOne(value) : objectToString(value) === "[object Error]";
}

/** `Name: message` and the stack. @param {any} error */
export function errorText(error) {
  const name = isDOMException(error) ? error.name : dataOf(error, "name");
  const message = isDOMException(error) ? error.message : dataOf(error, "message");
  const title = typeof name === "string" && name !== "" ? name : "Error";
  const head = typeof message === "string" && message !== "" ? `${title}: ${message}` : title;
  return head + framesOf(stackOf(error));
}

const FRAME = /^ *at /;

/** The frames of a stack, each on a line of its own, without those of the built-ins. @param {string} stack */
function framesOf(stack) {
  const lines = splitAt(stack, "\n");
  let text = "";
  for (let i = 0; i < lines.length; i++) {
    const line = /** @type {string} */ (lines[i]);
    if (regexpExec(FRAME, line) !== null && stringIndexOf(line, "culvert:") < 0) text += `\n${line}`;
  }
  return text;
}

/** The name of the class of an object. @param {any} object */
export function className(object) {
  for (let at = object; at !== null; at = getPrototypeOf(at)) {
    const descriptor = getOwnPropertyDescriptor(at, "constructor");
    if (descriptor === undefined) continue;
    const { value } = descriptor;
    const name = typeof value === "function" ? getOwnPropertyDescriptor(value, "name")?.value : undefined;
    return typeof name === "string" && name !== "" ? name : "Object";
  }
  return "[Object: null prototype]";
}

/**
 * @param {any} value
 * @param {number} [depth] how deep objects are opened
 */
export function inspect(value, depth = DEPTH) {
  try {
    const text = show(value, depth, [], false);
    return text.length > MOST_TEXT ? `${stringSlice(text, 0, MOST_TEXT)}… (${text.length - MOST_TEXT} more characters)` : text;
  } catch {
    // A proxy's handler that throws, or nesting past the stack.
    return "[value that cannot be shown]";
  }
}

/** @param {any} value @param {number} depth @param {any[]} above @param {boolean} top @returns {string} */
function show(value, depth, above, top) {
  switch (typeof value) {
    case "string":
      return top ? value : quoted(value);
    case "bigint":
      return `${bigintToString(value)}n`;
    case "symbol":
      return symbolToString(value);
    case "number":
      return value === 0 && 1 / value < 0 ? "-0" : `${value}`;
    case "undefined":
    case "boolean":
      return `${value}`;
    case "function":
      return functionText(value);
    default:
      return value === null ? "null" : showObject(value, depth, above);
  }
}

/** @param {string} text */
function quoted(text) {
  return text.length > 10000 ? `${jsonStringify(stringSlice(text, 0, 10000))}… (${text.length - 10000} more characters)` : jsonStringify(text);
}

/** @param {any} value */
function functionText(value) {
  const name = getOwnPropertyDescriptor(value, "name")?.value;
  const kind = startsWith(functionToString(value), "class") ? "class" : "Function";
  return typeof name === "string" && name !== "" ? `[${kind}: ${name}]` : `[${kind} (anonymous)]`;
}

/** @param {any} value @param {number} depth @param {any[]} above @returns {string} */
function showObject(value, depth, above) {
  if (arrayIndexOf(above, value) >= 0) return "[Circular]";
  if (isError(value)) return withProperties(errorText(value), value, depth, above, ["stack", "message", "name"]);
  if (value instanceof Date) {
    try {
      return isNaN(dateGetTime(value)) ? "Invalid Date" : dateToISOString(value);
    } catch {
      // An object that only inherits from Date.
    }
  }
  if (value instanceof RegExp && objectToString(value) === "[object RegExp]") return regexpSource(value);
  if (isURL(value)) return `URL { ${quoted(hrefOf(value))} }`;
  if (isArrayBuffer(value)) return `ArrayBuffer { byteLength: ${arrayBufferByteLength(value)} }`;
  if (value instanceof Promise) return "Promise {}";
  if (value instanceof WeakMap || value instanceof WeakSet) return `${className(value)} { <items unknown> }`;
  const name = className(value);
  const typed = typedArrayName(value);
  if (isArray(value) || typed !== undefined) {
    const length = typed === undefined ? value.length : typedArrayLength(value);
    if (depth < 0) return `[${name}]`;
    return showList(value, length, typed === undefined ? "" : `${typed}(${length}) `, depth, pushed(above, value));
  }
  if (depth < 0) return `[${name}]`;
  const inside = pushed(above, value);
  if (isHeaders(value)) return showEntries("Headers", pairs(listOf(value)), depth, inside);
  if (value instanceof Map && isReal(mapSize, value)) {
    /** @type {string[]} */
    const items = [];
    mapForEach(value, (item, key) => {
      if (items.length < MOST_ITEMS) items[items.length] = `${show(key, depth - 1, inside, false)} => ${show(item, depth - 1, inside, false)}`;
    });
    return braced(`Map(${mapSize(value)}) `, "{", more(items, mapSize(value)), "}");
  }
  if (value instanceof Set && isReal(setSize, value)) {
    /** @type {string[]} */
    const items = [];
    setForEach(value, (item) => {
      if (items.length < MOST_ITEMS) items[items.length] = show(item, depth - 1, inside, false);
    });
    return braced(`Set(${setSize(value)}) `, "{", more(items, setSize(value)), "}");
  }
  if (isBlob(value)) return `${name} { size: ${value.size}, type: ${quoted(value.type)} }`;
  return braced(name === "Object" ? "" : `${name} `, "{", properties(value, depth, inside, []), "}");
}

/** @param {any[]} list @param {any} item */
function pushed(list, item) {
  const longer = [item];
  for (let i = 0; i < list.length; i++) longer[i + 1] = list[i];
  return longer;
}

/** Whether a getter of a builtin works on it: it is one, and not only an heir. @param {(value: any) => any} getter @param {any} value */
export function isReal(getter, value) {
  try {
    getter(value);
    return true;
  } catch {
    return false;
  }
}

/** @param {string[]} flat */
function pairs(flat) {
  /** @type {string[][]} */
  const list = [];
  for (let i = 0; i < flat.length; i += 2) list[list.length] = [/** @type {string} */ (flat[i]), /** @type {string} */ (flat[i + 1])];
  return list;
}

/** @param {string} name @param {string[][]} list @param {number} depth @param {any[]} above */
function showEntries(name, list, depth, above) {
  /** @type {string[]} */
  const items = [];
  for (let i = 0; i < list.length && i < MOST_ITEMS; i++) {
    const pair = /** @type {string[]} */ (list[i]);
    items[items.length] = `${keyText(/** @type {string} */ (pair[0]))}: ${show(pair[1], depth - 1, above, false)}`;
  }
  return braced(`${name} `, "{", more(items, list.length), "}");
}

/** @param {any} list @param {number} length @param {string} name @param {number} depth @param {any[]} above */
function showList(list, length, name, depth, above) {
  /** @type {string[]} */
  const items = [];
  let holes = 0;
  const flush = () => {
    if (holes > 0) items[items.length] = `<${holes} empty item${holes === 1 ? "" : "s"}>`;
    holes = 0;
  };
  let shown = 0;
  for (let i = 0; i < length && shown < MOST_ITEMS; i++) {
    const descriptor = getOwnPropertyDescriptor(list, String(i));
    if (descriptor === undefined) {
      holes += 1;
      if (holes > 100000) break;
      continue;
    }
    flush();
    items[items.length] = descriptorText(descriptor, depth, above);
    shown += 1;
  }
  flush();
  return braced(name, "[", shown >= MOST_ITEMS ? more(items, items.length + length - MOST_ITEMS) : items, "]");
}

/** @param {PropertyDescriptor} descriptor @param {number} depth @param {any[]} above */
function descriptorText(descriptor, depth, above) {
  if (descriptor.get !== undefined) return descriptor.set === undefined ? "[Getter]" : "[Getter/Setter]";
  if (descriptor.set !== undefined) return "[Setter]";
  return show(descriptor.value, depth - 1, above, false);
}

/** @param {string | symbol} key */
function keyText(key) {
  if (typeof key === "symbol") return `[${symbolToString(key)}]`;
  return regexpExec(IDENTIFIER, key) === null ? jsonStringify(key) : key;
}

/** @param {any} object @param {number} depth @param {any[]} above @param {string[]} without */
function properties(object, depth, above, without) {
  /** @type {string[]} */
  const items = [];
  const keys = ownKeys(object);
  let count = 0;
  for (let i = 0; i < keys.length; i++) {
    const key = /** @type {string | symbol} */ (keys[i]);
    if (typeof key === "string" && arrayIndexOf(without, key) >= 0) continue;
    const descriptor = getOwnPropertyDescriptor(object, key);
    if (descriptor === undefined || !descriptor.enumerable) continue;
    count += 1;
    if (items.length < MOST_ITEMS) items[items.length] = `${keyText(key)}: ${descriptorText(descriptor, depth, above)}`;
  }
  return more(items, count);
}

/** @param {string} text @param {any} object @param {number} depth @param {any[]} above @param {string[]} without */
function withProperties(text, object, depth, above, without) {
  const inside = pushed(above, object);
  const items = properties(object, depth, inside, without);
  const cause = getOwnPropertyDescriptor(object, "cause");
  if (cause !== undefined && !cause.enumerable && depth >= 0) items[items.length] = `[cause]: ${show(cause.value, depth - 1, inside, false)}`;
  return items.length === 0 ? text : `${text} ${braced("", "{", items, "}")}`;
}

/** @param {string[]} items @param {number} count */
function more(items, count) {
  if (count > items.length) items[items.length] = `… ${count - items.length} more item${count - items.length === 1 ? "" : "s"}`;
  return items;
}

/** @param {string} name @param {string} open @param {string[]} items @param {string} close */
function braced(name, open, items, close) {
  if (items.length === 0) return `${name}${open}${close}`;
  let length = 0;
  let lines = false;
  for (let i = 0; i < items.length; i++) {
    const item = /** @type {string} */ (items[i]);
    length += item.length + 2;
    for (let j = 0; j < item.length && !lines; j++) if (item[j] === "\n") lines = true;
  }
  if (length <= LINE && !lines) {
    let text = `${name}${open} ${items[0]}`;
    for (let i = 1; i < items.length; i++) text += `, ${items[i]}`;
    return `${text} ${close}`;
  }
  let text = `${name}${open}\n`;
  for (let i = 0; i < items.length; i++) {
    const item = /** @type {string} */ (items[i]);
    text += "  ";
    for (let j = 0, from = 0; j <= item.length; j++) {
      if (j < item.length && item[j] !== "\n") continue;
      text += `${from === 0 ? "" : "\n  "}${stringSlice(item, from, j)}`;
      from = j + 1;
    }
    text += i + 1 < items.length ? ",\n" : "\n";
  }
  return text + close;
}
