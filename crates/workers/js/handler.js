/** How what a handler gives, or throws, becomes the end of its invocation. */
import host from "./host_object.js";
import { currentContext, enter, settle } from "./invocation.js";
import { serializeThrown } from "./serialized_value.js";

/** @typedef {import("./invocation.js").Context} Context */

/** The handler threw. @param {Context} context @param {unknown} error */
export function fail(context, error) {
  context.last = undefined;
  host.fail(context.id, error, context.called ? serializeThrown(error) : undefined);
  settle(context);
}

/**
 * Waits for what a handler gave and hands it on, in its own invocation.
 * @param {Context} context
 * @param {any} result
 * @param {(context: Context, value: any) => void} take what it throws is the handler's failure
 */
export async function whenSettled(context, result, take) {
  let value;
  try {
    value = await result;
  } catch (error) {
    fail(context, error);
    return;
  }
  // The promise may have been settled by code of another invocation, whose microtasks go on afterwards.
  const running = currentContext;
  enter(context);
  try {
    take(context, value);
  } catch (error) {
    fail(context, error);
  }
  enter(running);
}
