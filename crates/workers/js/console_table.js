/** The table of console.table(). */
import { inspect } from "./inspect.js";
import {
  Map,
  arrayIndexOf,
  getOwnPropertyDescriptor,
  isArray,
  mapForEach,
  mapSize,
  objectKeys,
  padEnd,
  stringRepeat,
} from "./primordials.js";
import { toDOMString } from "./webidl.js";

/** @param {any} data @param {any} columns @returns {string | undefined} */
export function tableText(data, columns) {
  if (typeof data !== "object" || data === null) return undefined;
  /** @type {string[]} */
  const heads = ["(index)"];
  /** @type {string[][]} */
  const rows = [];
  const cell = (/** @type {string[]} */ row, /** @type {string} */ head, /** @type {any} */ value) => {
    let at = arrayIndexOf(heads, head);
    if (at < 0) {
      if (columns !== undefined && head !== "Values") return;
      at = heads.length;
      heads[at] = head;
    }
    row[at] = inspect(value, 0);
  };
  if (isArray(columns)) for (let i = 0; i < columns.length; i++) heads[heads.length] = toDOMString(columns[i]);
  const addRow = (/** @type {string} */ index, /** @type {any} */ value) => {
    /** @type {string[]} */
    const row = [index];
    if (typeof value === "object" && value !== null) {
      const keys = objectKeys(value);
      for (let i = 0; i < keys.length; i++) {
        const key = /** @type {string} */ (keys[i]);
        const descriptor = getOwnPropertyDescriptor(value, key);
        if (descriptor !== undefined) cell(row, key, descriptor.value);
      }
    } else {
      cell(row, "Values", value);
    }
    rows[rows.length] = row;
  };
  if (data instanceof Map && isMap(data)) {
    mapForEach(data, (value, key) => addRow(inspect(key, 0), value));
  } else {
    const keys = objectKeys(data);
    for (let i = 0; i < keys.length; i++) {
      const key = /** @type {string} */ (keys[i]);
      addRow(key, getOwnPropertyDescriptor(data, key)?.value);
    }
  }
  /** @type {number[]} */
  const widths = [];
  for (let i = 0; i < heads.length; i++) {
    let width = /** @type {string} */ (heads[i]).length;
    for (let j = 0; j < rows.length; j++) {
      const length = rows[j]?.[i]?.length ?? 0;
      if (length > width) width = length;
    }
    widths[i] = width;
  }
  const line = (/** @type {string[]} */ row) => {
    let text = "|";
    for (let i = 0; i < heads.length; i++) text += ` ${padEnd(row[i] ?? "", /** @type {number} */ (widths[i]))} |`;
    return text;
  };
  let rule = "|";
  for (let i = 0; i < heads.length; i++) rule += `${stringRepeat("-", /** @type {number} */ (widths[i]) + 2)}|`;
  let text = `${line(heads)}\n${rule}`;
  for (let i = 0; i < rows.length; i++) text += `\n${line(/** @type {string[]} */ (rows[i]))}`;
  return text;
}

/** @param {any} value */
function isMap(value) {
  try {
    mapSize(value);
    return true;
  } catch {
    return false;
  }
}
