/** `node:timers/promises`. */
import { aborted, abortError } from "./internal_abort.js";

const web = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

/** @param {number} [delay] @param {any} [value] @param {{signal?: AbortSignal}} [options] @returns {Promise<any>} */
export function setTimeout(delay, value, { signal } = {}) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortError(signal));
      return;
    }
    let stop = () => {};
    const timer = web.setTimeout(() => {
      stop();
      resolve(value);
    }, delay);
    if (signal !== undefined) {
      stop = aborted(signal, () => {
        web.clearTimeout(timer);
        reject(abortError(signal));
      });
    }
  });
}

/** @param {any} [value] @param {{signal?: AbortSignal}} [options] */
export const setImmediate = (value, options) => setTimeout(0, value, options);

/** @param {number} [delay] @param {any} [value] @param {{signal?: AbortSignal}} [options] */
export async function* setInterval(delay, value, options) {
  for (;;) yield await setTimeout(delay, value, options);
}

export const scheduler = {
  /** @param {number} delay @param {{signal?: AbortSignal}} [options] */
  wait: (delay, options) => setTimeout(delay, undefined, options),
  yield: () => setImmediate(),
};
export default { scheduler, setImmediate, setInterval, setTimeout };
