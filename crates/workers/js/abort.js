/** AbortController and AbortSignal (https://dom.spec.whatwg.org/#aborting-ongoing-activities). */
import { DOMException } from "./dom_exception.js";
import { EventTarget, Handler, fire, setSignals } from "./events.js";
import host from "./host_object.js";
import { onComplete, requireInvocation } from "./invocation.js";
import { TypeError, arrayIndexOf, arraySplice } from "./primordials.js";
import {
  INTERNAL,
  defineInterface,
  forEachOfSequence,
  illegalConstructor,
  isObject,
  requireArguments,
  toEnforcedUnsignedLongLong,
} from "./webidl.js";

/** @type {(value: any) => value is AbortSignal} */
export let isAbortSignal;
/** Aborts a signal, as its controller does. @type {(signal: AbortSignal, reason: any) => void} */
export let abortSignal;
/** Runs an algorithm when the signal aborts. @type {(signal: AbortSignal, algorithm: () => void) => void} */
export let onAbort;
/** @type {(signal: AbortSignal, algorithm: () => void) => void} */
export let removeOnAbort;
/** A signal that aborts when any of these does. @type {(signals: AbortSignal[]) => AbortSignal} */
export let dependentSignal;
/** Whether the signal has aborted, whatever scripts did to its class. @type {(signal: AbortSignal) => boolean} */
export let isAborted;
/** @type {(signal: AbortSignal) => any} */
export let abortReason;

export class AbortSignal extends EventTarget {
  #aborted = false;
  /** @type {any} */
  #reason = undefined;
  /** @type {(() => void)[]} */
  #algorithms = [];
  /** Signals that this one follows; none of them follows another. @type {AbortSignal[] | undefined} */
  #sources;
  /** Signals that follow this one. @type {AbortSignal[] | undefined} */
  #dependents;
  /** @type {Handler<AbortSignal> | undefined} */
  #onabort;

  /** @param {any} key */
  constructor(key = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    super();
  }

  /** @param {any} [reason] */
  static abort(reason = undefined) {
    const signal = new AbortSignal(INTERNAL);
    signal.#aborted = true;
    signal.#reason = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
    return signal;
  }

  /** @param {number} milliseconds */
  static timeout(milliseconds) {
    requireArguments(arguments.length, 1, "AbortSignal.timeout");
    const delay = toEnforcedUnsignedLongLong(milliseconds, "AbortSignal.timeout: the time");
    requireInvocation();
    const signal = new AbortSignal(INTERNAL);
    onComplete(
      host.timer(delay),
      () => signal.#abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")),
      () => {},
    );
    return signal;
  }

  /** @param {Iterable<AbortSignal>} signals */
  static any(signals) {
    requireArguments(arguments.length, 1, "AbortSignal.any");
    /** @type {AbortSignal[]} */
    const sources = [];
    forEachOfSequence(signals, "AbortSignal.any: the argument", (signal) => {
      if (!isAbortSignal(signal)) throw new TypeError("AbortSignal.any: an element is not an AbortSignal.");
      sources[sources.length] = signal;
    });
    return dependentSignal(sources);
  }

  get aborted() {
    return this.#aborted;
  }

  get reason() {
    return this.#reason;
  }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }

  get onabort() {
    return this.#onabort === undefined ? null : this.#onabort.value;
  }

  set onabort(value) {
    (this.#onabort ??= new Handler()).set(this, "abort", value);
  }

  /** @param {any} reason */
  #abort(reason) {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
    // All followers are aborted before any code runs, so that no listener sees one of them not aborted.
    const dependents = this.#dependents ?? [];
    /** @type {AbortSignal[]} */
    const aborted = [];
    for (let i = 0; i < dependents.length; i++) {
      const dependent = /** @type {AbortSignal} */ (dependents[i]);
      if (dependent.#aborted) continue;
      dependent.#aborted = true;
      dependent.#reason = this.#reason;
      aborted[aborted.length] = dependent;
    }
    this.#dependents = undefined;
    this.#run();
    for (let i = 0; i < aborted.length; i++) /** @type {AbortSignal} */ (aborted[i]).#run();
  }

  #run() {
    const algorithms = this.#algorithms;
    this.#algorithms = [];
    for (let i = 0; i < algorithms.length; i++) algorithms[i]?.();
    const sources = this.#sources;
    if (sources !== undefined) {
      this.#sources = undefined;
      for (let i = 0; i < sources.length; i++) {
        const others = /** @type {AbortSignal} */ (sources[i]).#dependents;
        if (others === undefined) continue;
        const at = arrayIndexOf(others, this);
        if (at >= 0) arraySplice(others, at, 1);
      }
    }
    fire(this, "abort");
  }

  static {
    isAbortSignal = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #aborted in value);
    abortSignal = (signal, reason) => signal.#abort(reason);
    isAborted = (signal) => signal.#aborted;
    abortReason = (signal) => signal.#reason;
    onAbort = (signal, algorithm) => {
      if (!signal.#aborted) signal.#algorithms[signal.#algorithms.length] = algorithm;
    };
    removeOnAbort = (signal, algorithm) => {
      const at = arrayIndexOf(signal.#algorithms, algorithm);
      if (at >= 0) arraySplice(signal.#algorithms, at, 1);
    };
    dependentSignal = (signals) => {
      const result = new AbortSignal(INTERNAL);
      for (let i = 0; i < signals.length; i++) {
        const signal = /** @type {AbortSignal} */ (signals[i]);
        if (signal.#aborted) {
          result.#aborted = true;
          result.#reason = signal.#reason;
          return result;
        }
      }
      /** @type {AbortSignal[]} */
      const sources = (result.#sources = []);
      const follow = (/** @type {AbortSignal} */ source) => {
        if (arrayIndexOf(sources, source) >= 0) return;
        sources[sources.length] = source;
        const dependents = (source.#dependents ??= []);
        dependents[dependents.length] = result;
      };
      for (let i = 0; i < signals.length; i++) {
        const signal = /** @type {AbortSignal} */ (signals[i]);
        const its = signal.#sources;
        if (its === undefined) follow(signal);
        else for (let j = 0; j < its.length; j++) follow(/** @type {AbortSignal} */ (its[j]));
      }
      return result;
    };
  }
}
defineInterface(AbortSignal);
setSignals({
  isSignal: isAbortSignal,
  aborted: isAborted,
  onAbort,
});

export class AbortController {
  #signal = new AbortSignal(INTERNAL);

  get signal() {
    return this.#signal;
  }

  /** @param {any} [reason] */
  abort(reason = undefined) {
    abortSignal(this.#signal, reason);
  }
}
defineInterface(AbortController);

/** A signal that the runtime aborts. */
export function newSignal() {
  return new AbortSignal(INTERNAL);
}
