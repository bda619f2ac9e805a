/** The context that asynchronous work carries along: one object, kept by the engine with what script starts. `node:async_hooks` uses it. */
import host from "./host_object.js";

/** Whether a Worker has ever entered one; until then nothing needs to be kept. */
let used = false;

/** The context of the running code. @returns {object | undefined} */
export function currentFrame() {
  return used ? host.asyncContext() : undefined;
}

/** Makes it another one, and gives the one before. @param {object | undefined} frame @returns {object | undefined} */
export function enterFrame(frame) {
  if (frame !== undefined) used = true;
  return used ? host.setAsyncContext(frame) : undefined;
}
