/** From the timings of one attempt to the bars of a waterfall. */

import type { ConnectionEvent, Phase, Timings } from "../api/types";

export interface Bar {
  phase: Phase;
  start: number;
  duration: number;
  state: "ok" | "failed" | "skipped";
}

const TIMED = ["dns", "connect", "tls", "request", "head"] as const satisfies readonly (keyof Timings)[];
const ORDER: readonly Phase[] = ["route", "dns", "connect", "tls", "request", "head", "body"];

/** The bars in order. The phase that failed is there even without a time of its own; what came after it was not reached. */
export function waterfall(event: Pick<ConnectionEvent, "timings" | "phase" | "code" | "reused">): { bars: Bar[]; total: number } {
  const bars: Bar[] = [];
  let at = 0;
  const failedAt = event.code === undefined || event.phase === undefined ? Infinity : ORDER.indexOf(event.phase);
  const shown: readonly Phase[] = failedAt === 0 || event.phase === "body" ? ORDER.filter((phase) => phase === event.phase || TIMED.some((timed) => timed === phase)) : TIMED;
  for (const phase of shown) {
    const order = ORDER.indexOf(phase);
    const duration = TIMED.find((timed) => timed === phase) ? event.timings[phase as keyof Timings] : undefined;
    const state = order === failedAt ? "failed" : duration === undefined || order > failedAt ? "skipped" : "ok";
    bars.push({ phase, start: at, duration: state === "skipped" ? 0 : (duration ?? 0), state });
    if (state !== "skipped") at += duration ?? 0;
  }
  return { bars, total: at };
}

/** Why a phase has no time of its own. */
export function skippedWords(bar: Bar, event: Pick<ConnectionEvent, "reused" | "code" | "phase">): string {
  const failedAt = event.code === undefined || event.phase === undefined ? Infinity : ORDER.indexOf(event.phase);
  if (ORDER.indexOf(bar.phase) > failedAt) return "not reached";
  return event.reused ? "kept-alive connection" : "not needed";
}
