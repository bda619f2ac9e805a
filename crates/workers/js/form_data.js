/** FormData (https://xhr.spec.whatwg.org/#interface-formdata), its parsing and serializing (https://fetch.spec.whatwg.org/#body-mixin). */
import { blobBytes, blobType, fileName, isBlob, isFile, newFile, renamedFile } from "./blob.js";
import { concat, utf8Decode, utf8Encode } from "./bytes.js";
import host from "./host_object.js";
import { extractMediaType } from "./mime_type.js";
import { BOTH, KEYS, VALUES, newPairIterator } from "./pair_iterator.js";
import {
  SymbolIterator,
  TypeError,
  Uint8Array,
  apply,
  defineProperty,
  regexpExec,
  replaceEvery,
  stringIndexOf,
  stringSlice,
  toLowerCase,
  typedArrayBuffer,
  typedArrayByteLength,
  typedArrayByteOffset,
  typedArrayIndexOf,
  typedArraySlice,
} from "./primordials.js";
import { parseUrlEncoded } from "./url_search_params.js";
import { defineInterface, isObject, requireArguments, toFunction, toUSVString } from "./webidl.js";

/** @typedef {import("./blob.js").Blob} Blob */

/** @type {(value: any) => value is FormData} */
export let isFormData;
/** @type {(data: FormData) => any[]} */
let formPairsOf;

export class FormData {
  /** Names and values (strings and Files) in turn. @type {any[]} */
  #list = [];

  /** @param {any} [form] */
  constructor(form = undefined) {
    if (form !== undefined) throw new TypeError("FormData constructor: there are no forms here.");
  }

  /** @param {string} name @param {any} value @param {any} [filename] */
  append(name, value, filename = undefined) {
    const list = this.#list;
    requireArguments(arguments.length, 2, "FormData.append");
    const key = toUSVString(name);
    const entry = entryOf(value, filename, arguments.length > 2 && filename !== undefined, "FormData.append");
    list[list.length] = key;
    list[list.length] = entry;
  }

  /** @param {string} name */
  delete(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "FormData.delete");
    const key = toUSVString(name);
    let to = 0;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === key) continue;
      list[to] = list[i];
      list[to + 1] = list[i + 1];
      to += 2;
    }
    list.length = to;
  }

  /** @param {string} name */
  get(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "FormData.get");
    const key = toUSVString(name);
    for (let i = 0; i < list.length; i += 2) if (list[i] === key) return list[i + 1];
    return null;
  }

  /** @param {string} name */
  getAll(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "FormData.getAll");
    const key = toUSVString(name);
    const values = [];
    for (let i = 0; i < list.length; i += 2) if (list[i] === key) values[values.length] = list[i + 1];
    return values;
  }

  /** @param {string} name */
  has(name) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "FormData.has");
    const key = toUSVString(name);
    for (let i = 0; i < list.length; i += 2) if (list[i] === key) return true;
    return false;
  }

  /** @param {string} name @param {any} value @param {any} [filename] */
  set(name, value, filename = undefined) {
    const list = this.#list;
    requireArguments(arguments.length, 2, "FormData.set");
    const key = toUSVString(name);
    const entry = entryOf(value, filename, arguments.length > 2 && filename !== undefined, "FormData.set");
    let found = false;
    let to = 0;
    for (let i = 0; i < list.length; i += 2) {
      let its = list[i + 1];
      if (list[i] === key) {
        if (found) continue;
        found = true;
        its = entry;
      }
      list[to] = list[i];
      list[to + 1] = its;
      to += 2;
    }
    list.length = to;
    if (!found) {
      list[to] = key;
      list[to + 1] = entry;
    }
  }

  entries() {
    void this.#list;
    return newPairIterator("FormData", this, formPairsOf, BOTH);
  }

  keys() {
    void this.#list;
    return newPairIterator("FormData", this, formPairsOf, KEYS);
  }

  values() {
    void this.#list;
    return newPairIterator("FormData", this, formPairsOf, VALUES);
  }

  /** @param {any} callback @param {any} [thisArg] */
  forEach(callback, thisArg = undefined) {
    void this.#list;
    requireArguments(arguments.length, 1, "FormData.forEach");
    toFunction(callback, "FormData.forEach: the callback");
    for (let i = 0; i < this.#list.length; i += 2) apply(callback, thisArg, [this.#list[i + 1], this.#list[i], this]);
  }

  static {
    isFormData = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #list in value);
    formPairsOf = (data) => data.#list;
  }
}
defineInterface(FormData);
defineProperty(FormData.prototype, SymbolIterator, {
  value: FormData.prototype.entries,
  writable: true,
  enumerable: false,
  configurable: true,
});

/** @param {any} value @param {any} filename @param {boolean} named @param {string} where */
function entryOf(value, filename, named, where) {
  if (!isBlob(value)) {
    if (named) throw new TypeError(`${where}: a file name was given, but the value is not a Blob.`);
    return toUSVString(value);
  }
  if (isFile(value) && !named) return value;
  return renamedFile(value, named ? toUSVString(filename) : "blob");
}

// === serializing ===

/** @param {string} text */
function normalLines(text) {
  return replaceEvery(replaceEvery(replaceEvery(text, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n");
}

/** @param {string} text */
function escapeName(text) {
  return replaceEvery(replaceEvery(replaceEvery(text, "\n", "%0A"), "\r", "%0D"), '"', "%22");
}

/**
 * multipart/form-data (https://html.spec.whatwg.org/#multipart-form-data).
 * @param {FormData} data
 */
export function serializeFormData(data) {
  const boundary = `----CulvertFormBoundary${replaceEvery(host.randomUuid(), "-", "")}`;
  const list = formPairsOf(data);
  /** @type {Uint8Array[]} */
  const parts = [];
  let text = "";
  for (let i = 0; i < list.length; i += 2) {
    const value = list[i + 1];
    text += `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(normalLines(list[i]))}"`;
    if (typeof value === "string") {
      text += `\r\n\r\n${normalLines(value)}\r\n`;
      continue;
    }
    const type = blobType(value);
    text += `; filename="${escapeName(fileName(value))}"\r\nContent-Type: ${type === "" ? "application/octet-stream" : type}\r\n\r\n`;
    parts[parts.length] = utf8Encode(text);
    parts[parts.length] = blobBytes(value);
    text = "\r\n";
  }
  parts[parts.length] = utf8Encode(`${text}--${boundary}--\r\n`);
  return { bytes: concat(parts), type: `multipart/form-data; boundary=${boundary}` };
}

// === parsing ===

/**
 * @param {Uint8Array} bytes
 * @param {string | null} type the Content-Type
 */
export function parseFormData(bytes, type) {
  const media = extractMediaType(type);
  if (media?.essence === "application/x-www-form-urlencoded") {
    const data = new FormData();
    const list = formPairsOf(data);
    const pairs = parseUrlEncoded(host.utf8Decode(bytes, true));
    for (let i = 0; i < pairs.length; i++) list[i] = pairs[i];
    return data;
  }
  if (media?.essence === "multipart/form-data") {
    const { boundary } = media.parameters;
    if (boundary === undefined) throw new TypeError("The Content-Type multipart/form-data has no boundary.");
    return parseMultipart(bytes, boundary);
  }
  throw new TypeError(
    `Unrecognized Content-Type header value. FormData can only parse the following MIME types: multipart/form-data, application/x-www-form-urlencoded.`,
  );
}

/** @param {Uint8Array} bytes @param {Uint8Array} needle @param {number} from */
function find(bytes, needle, from) {
  const first = /** @type {number} */ (needle[0]);
  const length = typedArrayByteLength(needle);
  const last = typedArrayByteLength(bytes) - length;
  for (let at = from; at <= last; at++) {
    at = typedArrayIndexOf(bytes, first, at);
    if (at < 0 || at > last) return -1;
    let same = 1;
    while (same < length && bytes[at + same] === needle[same]) same += 1;
    if (same === length) return at;
  }
  return -1;
}

/** @returns {never} */
function malformed() {
  throw new TypeError("The body is not valid multipart/form-data.");
}

/**
 * @param {Uint8Array} bytes
 * @param {string} boundary
 */
function parseMultipart(bytes, boundary) {
  const data = new FormData();
  const list = formPairsOf(data);
  const delimiter = utf8Encode(`--${boundary}`);
  const lineDelimiter = utf8Encode(`\r\n--${boundary}`);
  const blankLine = utf8Encode("\r\n\r\n");
  const size = typedArrayByteLength(delimiter);
  let at = find(bytes, delimiter, 0);
  // What comes before the first delimiter is a preamble; a line must end before it.
  if (at < 0 || (at > 0 && !(bytes[at - 1] === 0x0a && bytes[at - 2] === 0x0d))) malformed();
  at += size;
  for (;;) {
    if (bytes[at] === 0x2d && bytes[at + 1] === 0x2d) return data;
    while (bytes[at] === 0x20 || bytes[at] === 0x09) at += 1;
    if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a) malformed();
    // The head ends with an empty line, which is all of it when there are no headers.
    const headEnd = find(bytes, blankLine, at);
    if (headEnd < 0) malformed();
    const head = slice(bytes, at + 2, headEnd);
    const bodyStart = headEnd + 4;
    const bodyEnd = find(bytes, lineDelimiter, bodyStart - 2);
    if (bodyEnd < 0) malformed();
    const { name, filename, type } = parsePartHead(utf8Decode(head));
    const content = slice(bytes, bodyStart, bodyEnd < bodyStart ? bodyStart : bodyEnd);
    list[list.length] = name;
    list[list.length] =
      filename === undefined ? host.utf8Decode(content, true) : newFile(typedArraySlice(content), type ?? "text/plain", filename);
    at = bodyEnd + size + 2;
  }
}

/** @param {Uint8Array} bytes @param {number} from @param {number} to */
function slice(bytes, from, to) {
  return new Uint8Array(typedArrayBuffer(bytes), typedArrayByteOffset(bytes) + from, to > from ? to - from : 0);
}

const DISPOSITION = /^content-disposition:[ \t]*form-data[ \t]*(;[\s\S]*)$/i;
const QUOTED = /;[ \t]*(name|filename)="([^"]*)"/i;
const CONTENT_TYPE = /^content-type:[ \t]*([\s\S]*?)[ \t]*$/i;

/** @param {string} head */
function parsePartHead(head) {
  /** @type {string | undefined} */
  let name;
  /** @type {string | undefined} */
  let filename;
  /** @type {string | undefined} */
  let type;
  let from = 0;
  while (from <= head.length) {
    let to = stringIndexOf(head, "\r\n", from);
    if (to < 0) to = head.length;
    const line = stringSlice(head, from, to);
    from = to + 2;
    const disposition = regexpExec(DISPOSITION, line);
    if (disposition !== null) {
      let rest = /** @type {string} */ (disposition[1]);
      for (;;) {
        const found = regexpExec(QUOTED, rest);
        if (found === null) break;
        const value = unescapeName(/** @type {string} */ (found[2]));
        if (toLowerCase(/** @type {string} */ (found[1])) === "name") name ??= value;
        else filename ??= value;
        rest = stringSlice(rest, found.index + found[0].length);
      }
      continue;
    }
    const contentType = regexpExec(CONTENT_TYPE, line);
    if (contentType !== null) type = contentType[1];
  }
  if (name === undefined) malformed();
  return { name, filename, type };
}

/** @param {string} text */
function unescapeName(text) {
  return replaceEvery(replaceEvery(replaceEvery(text, "%0A", "\n"), "%0D", "\r"), "%22", '"');
}
