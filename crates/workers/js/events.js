/** Event, CustomEvent, EventTarget (https://dom.spec.whatwg.org/#events). There is no tree: a path has one target. */
import { DOMException } from "./dom_exception.js";
import host from "./host_object.js";
import { reportException } from "./invocation.js";
import { TypeError, apply, arraySlice, arraySplice, defineProperty } from "./primordials.js";
import { defineInterface, isObject, requireArguments, toDOMString, toDictionary } from "./webidl.js";

const NONE = 0;
const AT_TARGET = 2;

/**
 * What EventTarget does with an event, out of reach of scripts.
 * @typedef {object} EventAccess
 * @property {(event: Event, target: EventTarget) => void} begin
 * @property {(event: Event) => void} end
 * @property {(event: Event, passive: boolean) => void} passive
 * @property {(event: Event) => boolean} stopped
 * @property {(event: Event) => boolean} dispatching
 * @property {(event: Event) => void} trust
 */
/** @type {EventAccess} */
let access;
/** @type {(value: any) => boolean} */
export let isEvent;
/** @type {(this: Event) => boolean} */
let isTrusted;

export class Event {
  #type = "";
  #bubbles = false;
  #cancelable = false;
  #composed = false;
  #trusted = false;
  #canceled = false;
  #passive = false;
  #stop = false;
  #stopImmediate = false;
  #dispatching = false;
  /** @type {EventTarget | null} */
  #target = null;
  #timeStamp = host.now();

  /** @param {string} type @param {any} [init] */
  constructor(type, init = undefined) {
    requireArguments(arguments.length, 1, "Event constructor");
    this.#type = toDOMString(type);
    const dictionary = toDictionary(init, "The event's init");
    this.#bubbles = !!dictionary.bubbles;
    this.#cancelable = !!dictionary.cancelable;
    this.#composed = !!dictionary.composed;
    // [LegacyUnforgeable]: an own accessor on every event.
    defineProperty(this, "isTrusted", { get: isTrusted, enumerable: true, configurable: false });
  }

  get type() {
    return this.#type;
  }

  get target() {
    return this.#target;
  }

  get srcElement() {
    return this.#target;
  }

  get currentTarget() {
    return this.#dispatching ? this.#target : null;
  }

  get eventPhase() {
    return this.#dispatching ? AT_TARGET : NONE;
  }

  composedPath() {
    return this.#dispatching ? [this.#target] : [];
  }

  stopPropagation() {
    this.#stop = true;
  }

  stopImmediatePropagation() {
    this.#stop = true;
    this.#stopImmediate = true;
  }

  get cancelBubble() {
    return this.#stop;
  }

  set cancelBubble(value) {
    if (value) this.#stop = true;
  }

  get bubbles() {
    return this.#bubbles;
  }

  get cancelable() {
    return this.#cancelable;
  }

  get composed() {
    return this.#composed;
  }

  get returnValue() {
    return !this.#canceled;
  }

  set returnValue(value) {
    if (!value) this.preventDefault();
  }

  preventDefault() {
    if (this.#cancelable && !this.#passive) this.#canceled = true;
  }

  get defaultPrevented() {
    return this.#canceled;
  }

  get timeStamp() {
    return this.#timeStamp;
  }

  /** @param {string} type @param {any} [bubbles] @param {any} [cancelable] */
  initEvent(type, bubbles = false, cancelable = false) {
    requireArguments(arguments.length, 1, "Event.initEvent");
    if (this.#dispatching) return;
    this.#type = toDOMString(type);
    this.#bubbles = !!bubbles;
    this.#cancelable = !!cancelable;
    this.#stop = this.#stopImmediate = this.#canceled = this.#trusted = false;
    this.#target = null;
  }

  static {
    access = {
      begin(event, target) {
        event.#dispatching = true;
        event.#target = target;
      },
      end(event) {
        event.#dispatching = event.#stop = event.#stopImmediate = event.#passive = false;
      },
      passive(event, passive) {
        event.#passive = passive;
      },
      stopped: (event) => event.#stopImmediate,
      dispatching: (event) => event.#dispatching,
      trust(event) {
        event.#trusted = true;
      },
    };
    isEvent = (value) => isObject(value) && #trusted in value;
    isTrusted = function () {
      return this.#trusted;
    };
  }
}

defineInterface(Event, { constants: { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 } });

export class CustomEvent extends Event {
  /** @type {any} */
  #detail = null;

  /** @param {string} type @param {any} [init] */
  constructor(type, init = undefined) {
    requireArguments(arguments.length, 1, "CustomEvent constructor");
    super(type, init);
    const detail = init?.detail;
    this.#detail = detail === undefined ? null : detail;
  }

  get detail() {
    return this.#detail;
  }

  /** @param {string} type @param {any} [bubbles] @param {any} [cancelable] @param {any} [detail] */
  initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
    requireArguments(arguments.length, 1, "CustomEvent.initCustomEvent");
    if (access.dispatching(this)) return;
    this.initEvent(type, bubbles, cancelable);
    this.#detail = detail;
  }
}
defineInterface(CustomEvent);

/**
 * @typedef {object} Listener
 * @property {string} type
 * @property {any} callback
 * @property {boolean} capture
 * @property {boolean} once
 * @property {boolean} passive
 * @property {boolean} removed
 */

/** `AbortSignal` tells how to be listened to; it is defined on top of this file. @type {{isSignal(value: any): boolean, aborted(signal: any): boolean, onAbort(signal: any, algorithm: () => void): void}} */
let signals = { isSignal: () => false, aborted: () => false, onAbort() {} };
/** @param {typeof signals} implementation */
export function setSignals(implementation) {
  signals = implementation;
}

/** @type {(target: EventTarget, event: Event) => boolean} */
let dispatch;
/** @type {(target: EventTarget, type: string) => boolean} */
let listens;

export class EventTarget {
  /** @type {Listener[] | undefined} */
  #listeners;

  /** @param {string} type @param {any} callback @param {any} [options] */
  addEventListener(type, callback, options = undefined) {
    requireArguments(arguments.length, 2, "EventTarget.addEventListener");
    type = toDOMString(type);
    let capture;
    let once = false;
    let passive = false;
    let signal;
    if (isObject(options)) {
      capture = !!options.capture;
      once = !!options.once;
      passive = !!options.passive;
      signal = options.signal;
      if (signal !== undefined && !signals.isSignal(signal)) {
        throw new TypeError("EventTarget.addEventListener: the option 'signal' is not an AbortSignal.");
      }
    } else {
      capture = !!options;
    }
    const listeners = (this.#listeners ??= []);
    if (callback === null || callback === undefined) return;
    if (!isObject(callback)) throw new TypeError("EventTarget.addEventListener: the listener is not an object.");
    if (signal !== undefined && signals.aborted(signal)) return;
    for (let i = 0; i < listeners.length; i++) {
      const known = /** @type {Listener} */ (listeners[i]);
      if (known.type === type && known.callback === callback && known.capture === capture) return;
    }
    /** @type {Listener} */
    const listener = { type, callback, capture, once, passive, removed: false };
    listeners[listeners.length] = listener;
    if (signal !== undefined) signals.onAbort(signal, () => this.#remove(listener));
  }

  /** @param {string} type @param {any} callback @param {any} [options] */
  removeEventListener(type, callback, options = undefined) {
    requireArguments(arguments.length, 2, "EventTarget.removeEventListener");
    type = toDOMString(type);
    const capture = isObject(options) ? !!options.capture : !!options;
    const listeners = this.#listeners;
    if (listeners === undefined) return;
    for (let i = 0; i < listeners.length; i++) {
      const known = /** @type {Listener} */ (listeners[i]);
      if (known.type === type && known.callback === callback && known.capture === capture) return this.#remove(known);
    }
  }

  /** @param {Event} event */
  dispatchEvent(event) {
    requireArguments(arguments.length, 1, "EventTarget.dispatchEvent");
    if (!isEvent(event)) throw new TypeError("EventTarget.dispatchEvent: the argument is not an Event.");
    if (access.dispatching(event)) throw new DOMException("The event is being dispatched already.", "InvalidStateError");
    return this.#dispatch(event);
  }

  /** @param {Listener} listener */
  #remove(listener) {
    listener.removed = true;
    const listeners = this.#listeners;
    if (listeners === undefined) return;
    for (let i = 0; i < listeners.length; i++) {
      if (listeners[i] === listener) {
        arraySplice(listeners, i, 1);
        return;
      }
    }
  }

  /** @param {Event} event */
  #dispatch(event) {
    access.begin(event, this);
    const type = event.type;
    const listeners = this.#listeners === undefined ? [] : arraySlice(this.#listeners);
    // Capturing listeners go first at the target too.
    for (let phase = 0; phase < 2; phase++) {
      for (let i = 0; i < listeners.length && !access.stopped(event); i++) {
        const listener = /** @type {Listener} */ (listeners[i]);
        if (listener.removed || listener.type !== type || listener.capture !== (phase === 0)) continue;
        if (listener.once) this.#remove(listener);
        access.passive(event, listener.passive);
        this.#call(listener.callback, event);
        access.passive(event, false);
      }
    }
    access.end(event);
    return !event.defaultPrevented;
  }

  /** @param {any} callback @param {Event} event */
  #call(callback, event) {
    try {
      if (typeof callback === "function") {
        apply(callback, this, [event]);
      } else {
        const handle = callback.handleEvent;
        if (typeof handle !== "function") throw new TypeError("The listener's handleEvent is not a function.");
        apply(handle, callback, [event]);
      }
    } catch (error) {
      reportException(error);
    }
  }

  static {
    dispatch = (target, event) => target.#dispatch(event);
    listens = (target, type) => {
      const listeners = target.#listeners;
      if (listeners === undefined) return false;
      for (let i = 0; i < listeners.length; i++) if (listeners[i]?.type === type) return true;
      return false;
    };
  }
}
defineInterface(EventTarget);

/**
 * Fires a trusted event at a target, if anyone listens.
 * @param {EventTarget} target
 * @param {string} type
 */
export function fire(target, type) {
  if (!listens(target, type)) return;
  const event = new Event(type);
  access.trust(event);
  dispatch(target, event);
}

/** Fires a trusted event that carries something. @param {EventTarget} target @param {Event} event */
export function fireEvent(target, event) {
  access.trust(event);
  dispatch(target, event);
}

/**
 * An event handler attribute (`onabort`): one listener that keeps its place when the handler changes.
 * @template {EventTarget} T
 */
export class Handler {
  /** @type {any} */
  value = null;
  #listening = false;

  /** @param {T} target @param {string} type @param {any} value */
  set(target, type, value) {
    this.value = isObject(value) ? value : null;
    if (this.value === null || this.#listening) return;
    this.#listening = true;
    addListener(target, type, (/** @type {Event} */ event) => {
      if (typeof this.value !== "function") return;
      if (apply(this.value, target, [event]) === false) event.preventDefault();
    });
  }
}

const addListener = (/** @type {EventTarget} */ target, /** @type {string} */ type, /** @type {any} */ callback) =>
  apply(addEventListener, target, [type, callback]);
const { addEventListener } = EventTarget.prototype;
