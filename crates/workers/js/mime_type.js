/** Media types: parsing and serializing (https://mimesniff.spec.whatwg.org/#parsing-a-mime-type), extracting them from headers. */
import { charCodeAt, create, objectKeys, regexpExec, replaceEvery, stringIndexOf, stringSlice, toLowerCase } from "./primordials.js";
import { NOT_A_TOKEN, isSpace } from "./headers.js";

const NOT_QUOTABLE = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * @typedef {object} MediaType
 * @property {string} essence `type/subtype` in lower case
 * @property {Record<string, string>} parameters the first of each name, in their order
 */

/** @param {string} text */
function isToken(text) {
  return text !== "" && regexpExec(NOT_A_TOKEN, text) === null;
}

/** Without HTTP white space. @param {string} text @param {boolean} atStart whether at the start too */
function trim(text, atStart) {
  let from = 0;
  let to = text.length;
  if (atStart) while (from < to && isSpace(charCodeAt(text, from))) from += 1;
  while (to > from && isSpace(charCodeAt(text, to - 1))) to -= 1;
  return stringSlice(text, from, to);
}

/**
 * @param {string} text
 * @returns {MediaType | undefined}
 */
export function parseMediaType(text) {
  const input = trim(text, true);
  const slash = stringIndexOf(input, "/");
  if (slash < 0) return undefined;
  const type = stringSlice(input, 0, slash);
  let at = stringIndexOf(input, ";", slash);
  const subtype = trim(stringSlice(input, slash + 1, at < 0 ? input.length : at), false);
  if (!isToken(type) || !isToken(subtype)) return undefined;
  /** @type {Record<string, string>} */
  const parameters = create(null);
  if (at < 0) at = input.length;
  while (at < input.length) {
    at += 1;
    while (at < input.length && isSpace(charCodeAt(input, at))) at += 1;
    let end = at;
    while (end < input.length && input[end] !== ";" && input[end] !== "=") end += 1;
    const name = toLowerCase(stringSlice(input, at, end));
    at = end;
    if (at >= input.length) break;
    if (input[at] === ";") continue;
    at += 1;
    let value;
    if (input[at] === '"') {
      value = "";
      at += 1;
      while (at < input.length && input[at] !== '"') {
        if (input[at] === "\\" && at + 1 < input.length) at += 1;
        value += input[at];
        at += 1;
      }
      while (at < input.length && input[at] !== ";") at += 1;
    } else {
      const next = stringIndexOf(input, ";", at);
      const stop = next < 0 ? input.length : next;
      value = trim(stringSlice(input, at, stop), false);
      at = stop;
      if (value === "") continue;
    }
    if (isToken(name) && regexpExec(NOT_QUOTABLE, value) === null && !(name in parameters)) parameters[name] = value;
  }
  return { essence: toLowerCase(`${type}/${subtype}`), parameters };
}

/** @param {MediaType} media */
export function serializeMediaType({ essence, parameters }) {
  let text = essence;
  const names = objectKeys(parameters);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    const value = /** @type {string} */ (parameters[name]);
    text += `;${name}=${isToken(value) ? value : `"${replaceEvery(replaceEvery(value, "\\", "\\\\"), '"', '\\"')}"`}`;
  }
  return text;
}

/** The values of a list that are separated by commas outside of quotes. @param {string} text */
function splitList(text) {
  /** @type {string[]} */
  const values = [];
  let from = 0;
  let quoted = false;
  for (let i = 0; i <= text.length; i++) {
    const letter = text[i];
    if (i < text.length && (quoted || letter !== ",")) {
      if (letter === '"') quoted = !quoted;
      else if (letter === "\\" && quoted) i += 1;
      continue;
    }
    values[values.length] = stringSlice(text, from, i);
    from = i + 1;
  }
  return values;
}

/**
 * The media type that Content-Type says (https://fetch.spec.whatwg.org/#concept-header-extract-mime-type).
 * @param {string | null} header its value, combined
 * @returns {MediaType | undefined}
 */
export function extractMediaType(header) {
  if (header === null) return undefined;
  /** @type {MediaType | undefined} */
  let media;
  let essence = "";
  /** @type {string | undefined} */
  let charset;
  const values = splitList(header);
  for (let i = 0; i < values.length; i++) {
    const next = parseMediaType(/** @type {string} */ (values[i]));
    if (next === undefined || next.essence === "*/*") continue;
    media = next;
    if (next.essence !== essence) {
      charset = next.parameters.charset;
      essence = next.essence;
    } else if (next.parameters.charset === undefined && charset !== undefined) {
      next.parameters.charset = charset;
    }
  }
  return media;
}
