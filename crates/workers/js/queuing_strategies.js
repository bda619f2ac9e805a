/** Queuing strategies (https://streams.spec.whatwg.org/#qs). */
import { RangeError, TypeError, apply, defineProperty } from "./primordials.js";
import { defineInterface, isObject, requireArguments, toDictionary, toFunction, toUnrestrictedDouble } from "./webidl.js";

// The size functions are one each for the whole realm, named "size", and no constructors.
const byteLengthSize = { size: (/** @type {any} */ chunk) => chunk.byteLength }.size;
const countSize = { size: () => 1 }.size;
defineProperty(countSize, "length", { value: 0, configurable: true });

/** @param {any} init @param {string} name */
function highWaterMarkOf(init, name) {
  requireArguments(1, 1, name);
  if (!isObject(init) && init !== undefined && init !== null) throw new TypeError(`${name}: the init is not an object.`);
  const value = init?.highWaterMark;
  if (value === undefined) throw new TypeError(`${name}: the init has no highWaterMark.`);
  return toUnrestrictedDouble(value);
}

export class ByteLengthQueuingStrategy {
  #highWaterMark;

  /** @param {any} init */
  constructor(init) {
    requireArguments(arguments.length, 1, "ByteLengthQueuingStrategy constructor");
    this.#highWaterMark = highWaterMarkOf(init, "ByteLengthQueuingStrategy constructor");
  }

  get highWaterMark() {
    return this.#highWaterMark;
  }

  get size() {
    void this.#highWaterMark;
    return byteLengthSize;
  }
}
defineInterface(ByteLengthQueuingStrategy);

export class CountQueuingStrategy {
  #highWaterMark;

  /** @param {any} init */
  constructor(init) {
    requireArguments(arguments.length, 1, "CountQueuingStrategy constructor");
    this.#highWaterMark = highWaterMarkOf(init, "CountQueuingStrategy constructor");
  }

  get highWaterMark() {
    return this.#highWaterMark;
  }

  get size() {
    void this.#highWaterMark;
    return countSize;
  }
}
defineInterface(CountQueuingStrategy);

/**
 * What a strategy argument says.
 * @typedef {object} Strategy
 * @property {number | undefined} highWaterMark
 * @property {((chunk: any) => number) | undefined} size undefined when every chunk counts 1
 * @property {boolean} hasSize whether a size was given
 */

/** @param {any} value @returns {Strategy} */
export function toStrategy(value) {
  const dictionary = toDictionary(value, "The queuing strategy");
  const mark = dictionary.highWaterMark;
  const highWaterMark = mark === undefined ? undefined : toUnrestrictedDouble(mark);
  const size = dictionary.size;
  if (size === undefined) return { highWaterMark, size: undefined, hasSize: false };
  toFunction(size, "The queuing strategy's size");
  if (size === countSize) return { highWaterMark, size: undefined, hasSize: true };
  return { highWaterMark, size: (chunk) => toUnrestrictedDouble(apply(size, undefined, [chunk])), hasSize: true };
}

/** ExtractHighWaterMark. @param {Strategy} strategy @param {number} otherwise */
export function highWaterMark(strategy, otherwise) {
  const mark = strategy.highWaterMark;
  if (mark === undefined) return otherwise;
  if (mark !== mark || mark < 0) throw new RangeError("The highWaterMark must be a number that is not negative.");
  return mark;
}
