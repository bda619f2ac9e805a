/** Signals, as Node.js uses them. */

/** The error of what a signal ended. @param {AbortSignal} signal */
export function abortError(signal) {
  const error = /** @type {any} */ (new Error("The operation was aborted", { cause: signal.reason }));
  error.name = "AbortError";
  error.code = "ABORT_ERR";
  return error;
}

/** Calls `listener` once when the signal aborts, or soon when it has. Gives what takes that back. @param {AbortSignal} signal @param {() => void} listener */
export function aborted(signal, listener) {
  if (signal.aborted) {
    queueMicrotask(listener);
    return () => {};
  }
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}
