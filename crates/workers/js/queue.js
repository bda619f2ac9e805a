/** Queues: a plain one, and the queue-with-sizes of the Streams Standard (https://streams.spec.whatwg.org/#queue-with-sizes). */
import { RangeError, arraySlice } from "./primordials.js";

/** First in, first out; both ends in constant time. @template T */
export class Queue {
  /** @type {(T | undefined)[]} */
  #items = [];
  #head = 0;

  get length() {
    return this.#items.length - this.#head;
  }

  /** @param {T} item */
  push(item) {
    this.#items[this.#items.length] = item;
  }

  /** The first item, taken out; there must be one. @returns {T} */
  shift() {
    const items = this.#items;
    const item = /** @type {T} */ (items[this.#head]);
    items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === items.length) {
      items.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 > items.length) {
      this.#items = arraySlice(items, this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** The first item; there must be one. @returns {T} */
  peek() {
    return /** @type {T} */ (this.#items[this.#head]);
  }

  clear() {
    this.#items = [];
    this.#head = 0;
  }

  /** Takes out all. @returns {T[]} */
  drain() {
    const items = /** @type {T[]} */ (this.#head === 0 ? this.#items : arraySlice(this.#items, this.#head));
    this.clear();
    return items;
  }
}

/** @template T */
export class SizedQueue {
  /** @type {Queue<{value: T, size: number}>} */
  #queue = new Queue();
  /** The sum of the sizes of what is in it. */
  total = 0;

  get length() {
    return this.#queue.length;
  }

  /** EnqueueValueWithSize. @param {T} value @param {number} size */
  enqueue(value, size) {
    if (!(typeof size === "number" && size >= 0 && size !== Infinity)) {
      throw new RangeError("The size of a chunk must be a finite, non-negative number.");
    }
    this.#queue.push({ value, size });
    this.total += size;
  }

  dequeue() {
    const { value, size } = this.#queue.shift();
    this.total -= size;
    // Rounding errors may leave less than nothing.
    if (this.total < 0) this.total = 0;
    return value;
  }

  peek() {
    return this.#queue.peek().value;
  }

  reset() {
    this.#queue.clear();
    this.total = 0;
  }
}
