/**
 * console (https://console.spec.whatwg.org/). Each argument reaches the log as a JSON text: what JSON can say as it is,
 * anything else as a string that shows it.
 */
import { errorText, inspect, isError } from "./inspect.js";
import { tableText } from "./console_table.js";
import host from "./host_object.js";
import {
  Array,
  Error,
  Map,
  Number,
  SymbolToStringTag,
  arrayIndexOf,
  create,
  defineProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  isArray,
  isFinite,
  isNaN,
  jsonStringify,
  mapDelete,
  mapGet,
  mapSet,
  objectKeys,
  stringIndexOf,
  stringRepeat,
  stringSlice,
  toFixed,
  trunc,
  ObjectPrototype,
} from "./primordials.js";
import { toDOMString } from "./webidl.js";

const ArrayPrototype = Array.prototype;
const MOST_NODES = 10000;
/** More characters of one string are never kept (256 KB of an invocation are); one more shows that something was cut. */
const MOST_LOGGED = 256 * 1024 + 1;

let indentation = 0;

/** @param {"debug" | "error" | "info" | "log" | "warn"} level @param {any[]} values */
function write(level, values) {
  /** @type {string[]} */
  const texts = [];
  let from = 0;
  const first = values[0];
  if (typeof first === "string" && values.length > 1 && stringIndexOf(first, "%") >= 0) {
    const { text, used } = format(first, values);
    texts[0] = textJson(indent(text));
    from = used;
  } else if (indentation > 0) {
    if (typeof first === "string") {
      texts[0] = textJson(indent(first));
      from = 1;
    } else {
      texts[0] = jsonStringify(stringRepeat("  ", indentation));
    }
  }
  for (let i = from; i < values.length; i++) texts[texts.length] = toJson(values[i]);
  host.log(level, texts);
}

/** @param {string} text */
function indent(text) {
  if (indentation === 0) return text;
  const space = stringRepeat("  ", indentation);
  let result = "";
  let from = 0;
  for (;;) {
    const at = stringIndexOf(text, "\n", from);
    if (at < 0) return result + space + stringSlice(text, from);
    result += space + stringSlice(text, from, at + 1);
    from = at + 1;
  }
}

/** The JSON text of a string, as much of it as can be kept. @param {string} text */
function textJson(text) {
  return jsonStringify(text.length > MOST_LOGGED ? stringSlice(text, 0, MOST_LOGGED) : text);
}

/** The JSON text of a value, or that of a string that shows it. @param {any} value @returns {string} */
function toJson(value) {
  switch (typeof value) {
    case "string":
      return textJson(value);
    case "number":
      return isFinite(value) ? jsonStringify(value) : jsonStringify(`${value}`);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      try {
        const json = plainJson(value, [], { left: MOST_NODES });
        if (json !== undefined) return json;
      } catch {
        // A proxy's handler that throws, or nesting past the stack: inspect() copes.
      }
      return textJson(isError(value) ? errorValue(value) : inspect(value));
    default:
      return textJson(inspect(value));
  }
}

/** @param {any} error */
function errorValue(error) {
  try {
    return objectKeys(error).length > 0 || getOwnPropertyDescriptor(error, "cause") !== undefined ? inspect(error) : errorText(error);
  } catch {
    return inspect(error);
  }
}

/**
 * The JSON text of plain objects and arrays of what JSON can say; undefined when there is anything else in them.
 * @param {any} value
 * @param {any[]} above
 * @param {{left: number}} budget
 * @returns {string | undefined}
 */
function plainJson(value, above, budget) {
  budget.left -= 1;
  if (budget.left < 0) return undefined;
  switch (typeof value) {
    case "string":
      return jsonStringify(value);
    case "number":
      return isFinite(value) ? jsonStringify(value) : undefined;
    case "boolean":
      return value ? "true" : "false";
    case "object":
      break;
    default:
      return undefined;
  }
  if (value === null) return "null";
  if (above.length > 64 || arrayIndexOf(above, value) >= 0) return undefined;
  const prototype = getPrototypeOf(value);
  const list = isArray(value) && prototype === ArrayPrototype;
  if (!list && prototype !== ObjectPrototype && prototype !== null) return undefined;
  above[above.length] = value;
  const keys = objectKeys(value);
  if (list && keys.length !== value.length) return undefined;
  let text = list ? "[" : "{";
  for (let i = 0; i < keys.length; i++) {
    const key = /** @type {string} */ (keys[i]);
    const descriptor = getOwnPropertyDescriptor(value, key);
    if (descriptor === undefined || descriptor.get !== undefined || descriptor.set !== undefined) return undefined;
    const item = plainJson(descriptor.value, above, budget);
    if (item === undefined) return undefined;
    if (i > 0) text += ",";
    text += list ? item : `${jsonStringify(key)}:${item}`;
  }
  above.length -= 1;
  return text + (list ? "]" : "}");
}

/**
 * The Formatter of the Console Standard.
 * @param {string} template
 * @param {any[]} values the template first
 */
function format(template, values) {
  let text = "";
  let used = 1;
  let from = 0;
  for (;;) {
    const at = stringIndexOf(template, "%", from);
    if (at < 0 || at === template.length - 1) break;
    const kind = template[at + 1];
    text += stringSlice(template, from, at);
    from = at + 2;
    if (kind === "%") {
      text += "%";
    } else if (used < values.length && kind !== undefined && stringIndexOf("sdifoOcj", kind) >= 0) {
      text += formatted(kind, values[used]);
      used += 1;
    } else {
      text += `%${kind}`;
    }
  }
  return { text: text + stringSlice(template, from), used };
}

/** @param {string} kind @param {any} value */
function formatted(kind, value) {
  switch (kind) {
    case "s":
      return typeof value === "string" ? value : inspect(value, 1);
    case "d":
    case "i":
    case "f": {
      if (typeof value === "bigint") return inspect(value);
      const number = typeof value === "symbol" || typeof value === "object" || typeof value === "function" ? NaN : Number(value);
      return `${kind === "i" && !isNaN(number) ? trunc(number) : number}`;
    }
    case "c":
      return "";
    case "j":
      return toJson(value);
    default:
      return inspect(value);
  }
}

/** @type {Map<string, number>} */
const counts = new Map();
/** @type {Map<string, number>} */
const starts = new Map();

/** @param {any} label */
const labelOf = (label) => (label === undefined ? "default" : toDOMString(label));

/** @param {string} label @param {any[]} values @param {boolean} end */
function logTime(label, values, end) {
  const start = mapGet(starts, label);
  if (start === undefined) {
    write("warn", [`Timer '${label}' does not exist`]);
    return;
  }
  if (end) mapDelete(starts, label);
  const all = [`${label}: ${toFixed(host.now() - start, 3)}ms`];
  for (let i = 0; i < values.length; i++) all[all.length] = values[i];
  write("log", all);
}

const methods = {
  /** @param {any} condition @param {any[]} values */
  assert(condition = false, ...values) {
    if (condition) return;
    const first = values[0];
    if (typeof first === "string") {
      values[0] = `Assertion failed: ${first}`;
      write("error", values);
      return;
    }
    /** @type {any[]} */
    const all = ["Assertion failed"];
    for (let i = 0; i < values.length; i++) all[i + 1] = values[i];
    write("error", all);
  },
  clear() {
    indentation = 0;
  },
  /** @param {any} [label] */
  count(label = undefined) {
    const name = labelOf(label);
    const count = (mapGet(counts, name) ?? 0) + 1;
    mapSet(counts, name, count);
    write("info", [`${name}: ${count}`]);
  },
  /** @param {any} [label] */
  countReset(label = undefined) {
    const name = labelOf(label);
    if (!mapDelete(counts, name)) write("warn", [`Count for '${name}' does not exist`]);
  },
  /** @param {any[]} values */
  debug(...values) {
    write("debug", values);
  },
  /** @param {any} item @param {any} [options] */
  dir(item = undefined, options = undefined) {
    void options;
    write("log", [typeof item === "object" && item !== null ? inspect(item) : item]);
  },
  /** @param {any[]} values */
  dirxml(...values) {
    write("log", values);
  },
  /** @param {any[]} values */
  error(...values) {
    write("error", values);
  },
  /** @param {any[]} values */
  group(...values) {
    if (values.length > 0) write("log", values);
    indentation += 1;
  },
  /** @param {any[]} values */
  groupCollapsed(...values) {
    if (values.length > 0) write("log", values);
    indentation += 1;
  },
  groupEnd() {
    if (indentation > 0) indentation -= 1;
  },
  /** @param {any[]} values */
  info(...values) {
    write("info", values);
  },
  /** @param {any[]} values */
  log(...values) {
    write("log", values);
  },
  /** @param {any} data @param {any} [columns] */
  table(data = undefined, columns = undefined) {
    let text;
    try {
      text = tableText(data, columns);
    } catch {
      // Not tabular after all.
    }
    write("log", [text ?? data]);
  },
  /** @param {any} [label] */
  time(label = undefined) {
    const name = labelOf(label);
    if (mapGet(starts, name) !== undefined) write("warn", [`Timer '${name}' already exists`]);
    else mapSet(starts, name, host.now());
  },
  /** @param {any} [label] */
  timeEnd(label = undefined) {
    logTime(labelOf(label), [], true);
  },
  /** @param {any} [label] @param {any[]} values */
  timeLog(label = undefined, ...values) {
    logTime(labelOf(label), values, false);
  },
  /** @param {any[]} values */
  trace(...values) {
    const error = new Error();
    error.name = "Trace";
    const text = errorText(error);
    /** @type {any[]} */
    const all = [];
    for (let i = 0; i < values.length; i++) all[i] = values[i];
    all[all.length] = text;
    write("debug", all);
  },
  /** @param {any[]} values */
  warn(...values) {
    write("warn", values);
  },
};

/** A namespace object: its prototype is an empty object of its own. @type {any} */
export const console = create(create(ObjectPrototype));
{
  const names = objectKeys(methods);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {keyof typeof methods} */ (names[i]);
    defineProperty(console, name, { value: methods[name], writable: true, enumerable: true, configurable: true });
  }
  defineProperty(console, SymbolToStringTag, { value: "console", configurable: true });
}
