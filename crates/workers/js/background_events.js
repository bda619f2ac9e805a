/** Events that nobody waits to see answered: the clock's (`scheduled`), and the records of other Workers (`tail`). */
import { callHandler } from "./entrypoints.js";
import { fail, whenSettled } from "./handler.js";
import host from "./host_object.js";
import { begin, settle } from "./invocation.js";
import { jsonParse } from "./primordials.js";
import { INTERNAL, defineInterface, illegalConstructor } from "./webidl.js";

/** https://developers.cloudflare.com/workers/runtime-apis/handlers/scheduled/ */
export class ScheduledController {
  #scheduledTime;
  #cron;

  /** @param {any} key @param {number} scheduledTime @param {string} cron */
  constructor(key = undefined, scheduledTime = 0, cron = "") {
    if (key !== INTERNAL) illegalConstructor();
    this.#scheduledTime = scheduledTime;
    this.#cron = cron;
  }

  get scheduledTime() {
    return this.#scheduledTime;
  }

  get cron() {
    return this.#cron;
  }

  get type() {
    void this.#cron;
    return "scheduled";
  }

  /** A trigger runs once, whatever comes of it; the call is accepted, as code expects. */
  noRetry() {
    void this.#cron;
  }
}
defineInterface(ScheduledController);

/**
 * @param {Invocation} invocation
 * @param {"scheduled" | "tail"} handler
 * @param {any} event
 */
function run(invocation, handler, event) {
  const context = begin(invocation);
  // Over when the handler and all that it gave to waitUntil is.
  context.last = () => host.finish(invocation);
  let result;
  try {
    result = callHandler(context, undefined, handler, event);
  } catch (error) {
    fail(context, error);
    return;
  }
  whenSettled(context, result, settle);
}

/** `Entries.scheduled`. @param {Invocation} invocation @param {string} cron @param {number} time */
export function scheduled(invocation, cron, time) {
  run(invocation, "scheduled", new ScheduledController(INTERNAL, time, cron));
}

/** `Entries.tail`. @param {Invocation} invocation @param {string} events as JSON */
export function tail(invocation, events) {
  run(invocation, "tail", jsonParse(events));
}
