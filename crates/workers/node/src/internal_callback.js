/** How what is done at once is told by a callback, as Node.js does it. */

/** Calls back with what `work` gives, later. @param {(error: any, result?: any) => void} callback @param {() => any} work */
export function later(callback, work) {
  queueMicrotask(() => {
    let result;
    try {
      result = work();
    } catch (error) {
      callback(error);
      return;
    }
    callback(null, result);
  });
}
