/** Iterators over pairs, of Headers, URLSearchParams and FormData (https://webidl.spec.whatwg.org/#js-default-iterator-object). */
import { SymbolToStringTag, create, defineProperty, iteratorPrototype, setPrototypeOf } from "./primordials.js";
import { makeEnumerable } from "./webidl.js";

export const KEYS = 0;
export const VALUES = 1;
export const BOTH = 2;

/** One prototype an interface. @type {Record<string, any>} */
const iteratorClasses = create(null);

/**
 * @param {string} name of the interface
 * @param {any} target
 * @param {(target: any) => any[]} entries its pairs, flat, looked up anew at each step
 * @param {number} kind
 */
export function newPairIterator(name, target, entries, kind) {
  return new (iteratorClasses[name] ?? (iteratorClasses[name] = makePairIterator(name)))(target, entries, kind);
}

/** @param {string} name */
function makePairIterator(name) {
  class PairIterator {
    /** @type {any} */
    #target;
    /** @type {(target: any) => any[]} */
    #pairsOf;
    #kind;
    #at = 0;

    /** @param {any} target @param {(target: any) => any[]} entries @param {number} kind */
    constructor(target, entries, kind) {
      this.#target = target;
      this.#pairsOf = entries;
      this.#kind = kind;
    }

    next() {
      const pairsOf = this.#pairsOf;
      const entries = pairsOf(this.#target);
      const at = this.#at;
      if (at >= entries.length) return { value: undefined, done: true };
      this.#at = at + 2;
      const value = this.#kind === KEYS ? entries[at] : this.#kind === VALUES ? entries[at + 1] : [entries[at], entries[at + 1]];
      return { value, done: false };
    }
  }
  const { prototype } = PairIterator;
  delete (/** @type {any} */ (prototype).constructor);
  makeEnumerable(prototype);
  defineProperty(prototype, SymbolToStringTag, { value: `${name} Iterator`, configurable: true });
  setPrototypeOf(prototype, iteratorPrototype);
  return PairIterator;
}

