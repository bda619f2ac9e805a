/**
 * The global object as an event target: `addEventListener("error", …)` hears of exceptions that nobody caught, "unhandledrejection" of rejections.
 */
import { EventTarget, Handler, fireEvent } from "./events.js";
import { setExceptionListener } from "./invocation.js";
import { ErrorEvent, PromiseRejectionEvent } from "./message_events.js";
import { apply, defineProperty } from "./primordials.js";
import { isObject } from "./webidl.js";

const exceptionTarget = new EventTarget();
const addGlobalListener = EventTarget.prototype.addEventListener;
const removeGlobalListener = EventTarget.prototype.removeEventListener;
const dispatchGlobally = EventTarget.prototype.dispatchEvent;

/** Functions of the global object. */
export const globalTarget = {
  /** @param {any} type @param {any} callback @param {any} [options] */
  addEventListener(type, callback, options = undefined) {
    apply(addGlobalListener, exceptionTarget, [type, callback, options]);
  },

  /** @param {any} type @param {any} callback @param {any} [options] */
  removeEventListener(type, callback, options = undefined) {
    apply(removeGlobalListener, exceptionTarget, [type, callback, options]);
  },

  /** @param {any} event */
  dispatchEvent(event) {
    return apply(dispatchGlobally, exceptionTarget, [event]);
  },
};

/** An attribute of the global object that holds a listener. @param {string} type */
function handlerAttribute(type) {
  /** @type {Handler<EventTarget>} */
  const handler = new Handler();
  defineProperty(globalThis, `on${type}`, {
    get: () => handler.value,
    set: (value) => handler.set(exceptionTarget, type, value),
    enumerable: true,
    configurable: true,
  });
}
handlerAttribute("error");
handlerAttribute("unhandledrejection");

/** `Entries.rejected`. @param {Promise<any>} promise @param {any} reason */
export function rejected(promise, reason) {
  const event = new PromiseRejectionEvent("unhandledrejection", { promise, reason, cancelable: true });
  fireEvent(exceptionTarget, event);
  return event.defaultPrevented;
}

setExceptionListener((error) => {
  let message = "Uncaught";
  try {
    message = isObject(error) && "message" in error ? `Uncaught ${error.name}: ${error.message}` : `Uncaught ${error}`;
  } catch {
    // Getters of it threw.
  }
  const event = new ErrorEvent("error", { error, message, cancelable: true });
  fireEvent(exceptionTarget, event);
  return event.defaultPrevented;
});
