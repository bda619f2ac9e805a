/** `util.parseArgs` (https://nodejs.org/api/util.html#utilparseargsconfig). */
import { coded } from "./errors.js";

/** @typedef {{type: "boolean" | "string", short?: string, multiple?: boolean, default?: any}} Option */

/**
 * @param {{args?: string[], options?: Record<string, Option>, strict?: boolean, allowPositionals?: boolean, allowNegative?: boolean, tokens?: boolean}} [config]
 */
export function parseArgs(config = {}) {
  const { args = [], options = {}, strict = true, allowPositionals = !strict, allowNegative = false } = config;
  /** @type {Record<string, any>} */
  const values = Object.create(null);
  /** @type {string[]} */
  const positionals = [];
  /** @type {any[]} */
  const tokens = [];
  const byShort = (/** @type {string} */ letter) => Object.keys(options).find((name) => options[name]?.short === letter) ?? letter;

  /** @param {string} name @param {string} rawName @param {any} value @param {number} index @param {boolean | undefined} inlineValue */
  const store = (name, rawName, value, index, inlineValue) => {
    tokens.push({ kind: "option", name, rawName, index, value, inlineValue });
    const negated = allowNegative && value === undefined && name.startsWith("no-") && options[name] === undefined;
    const key = negated ? name.slice(3) : name;
    const option = Object.hasOwn(options, key) ? options[key] : undefined;
    if (strict) check(option, key, rawName, value);
    const given = negated ? false : (value ?? true);
    if (option?.multiple) (values[key] ??= []).push(given);
    else values[key] = given;
  };

  for (let i = 0; i < args.length; i++) {
    const argument = /** @type {string} */ (args[i]);
    if (argument === "--") {
      tokens.push({ kind: "option-terminator", index: i });
      for (let rest = i + 1; rest < args.length; rest++) {
        positionals.push(/** @type {string} */ (args[rest]));
        tokens.push({ kind: "positional", index: rest, value: args[rest] });
      }
      break;
    }
    const takesValue = (/** @type {string} */ name) =>
      options[name]?.type === "string" && args[i + 1] !== undefined && (!strict || !(/** @type {string} */ (args[i + 1]).startsWith("-")));
    if (argument.startsWith("--")) {
      const equals = argument.indexOf("=");
      const name = argument.slice(2, equals > 2 ? equals : undefined);
      if (equals > 2) store(name, `--${name}`, argument.slice(equals + 1), i, true);
      else if (takesValue(name)) store(name, `--${name}`, args[++i], i - 1, false);
      else store(name, `--${name}`, undefined, i, undefined);
    } else if (argument.length > 1 && argument.startsWith("-")) {
      for (let at = 1; at < argument.length; at++) {
        const name = byShort(/** @type {string} */ (argument[at]));
        const raw = `-${argument[at]}`;
        if (options[name]?.type !== "string") store(name, raw, undefined, i, undefined);
        else {
          const rest = argument.slice(at + 1);
          if (rest !== "") store(name, raw, rest, i, true);
          else if (takesValue(name)) store(name, raw, args[++i], i - 1, false);
          else store(name, raw, undefined, i, undefined);
          break;
        }
      }
    } else {
      if (!allowPositionals) {
        throw coded(TypeError, "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL", `Unexpected argument '${argument}'. This command does not take positional arguments`);
      }
      positionals.push(argument);
      tokens.push({ kind: "positional", index: i, value: argument });
    }
  }
  for (const [name, option] of Object.entries(options)) {
    if (option.default !== undefined && values[name] === undefined) values[name] = option.default;
  }
  return config.tokens ? { values, positionals, tokens } : { values, positionals };
}

/** @param {Option | undefined} option @param {string} name @param {string} rawName @param {any} value */
function check(option, name, rawName, value) {
  if (option === undefined) throw coded(TypeError, "ERR_PARSE_ARGS_UNKNOWN_OPTION", `Unknown option '${rawName}'`);
  const shown = `${option.short ? `-${option.short}, ` : ""}--${name}`;
  if (option.type === "string" && value === undefined) {
    throw coded(TypeError, "ERR_PARSE_ARGS_INVALID_OPTION_VALUE", `Option '${shown} <value>' argument missing`);
  }
  if (option.type === "boolean" && value !== undefined) {
    throw coded(TypeError, "ERR_PARSE_ARGS_INVALID_OPTION_VALUE", `Option '${shown}' does not take an argument`);
  }
}
