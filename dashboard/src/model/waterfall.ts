/** From the timings of one attempt to the bars of a waterfall. */

import type { ConnectionEvent, Phase } from "../api/types";

/** One attempt, as far as it is drawn. */
export interface Attempt extends Pick<ConnectionEvent, "phase" | "code" | "reused"> {
  timings: Partial<Record<Phase, number>>;
  /** The phases that it has by its nature, where that is known. */
  phases?: readonly Phase[];
}

export interface Bar {
  phase: Phase;
  start: number;
  duration: number;
  state: "ok" | "failed" | "skipped";
}

/** Those that are kept of every attempt. */
const TIMED: readonly Phase[] = ["dns", "connect", "tls", "request", "head"];
const ORDER: readonly Phase[] = ["route", "dns", "connect", "tls", "request", "head", "body"];

/** How far an attempt came; infinitely far where it did not fail. */
function failedAt({ code, phase }: Pick<Attempt, "code" | "phase">): number {
  return code === undefined || phase === undefined ? Infinity : ORDER.indexOf(phase);
}

/** The bars in order. The phase that failed is there even without a time of its own; what came after it was not reached. */
export function waterfall(attempt: Attempt): { bars: Bar[]; total: number } {
  const { timings, phases = TIMED } = attempt;
  const failed = failedAt(attempt);
  const bars: Bar[] = [];
  let at = 0;
  ORDER.forEach((phase, order) => {
    if (order !== failed && !phases.includes(phase)) return;
    const duration = timings[phase];
    const state = order === failed ? "failed" : duration === undefined || order > failed ? "skipped" : "ok";
    bars.push({ phase, start: at, duration: state === "skipped" ? 0 : (duration ?? 0), state });
    if (state !== "skipped") at += duration ?? 0;
  });
  return { bars, total: at };
}

/** Why a phase has no time of its own. */
export function skippedWords(bar: Bar, attempt: Pick<Attempt, "reused" | "code" | "phase">): string {
  if (ORDER.indexOf(bar.phase) > failedAt(attempt)) return "not reached";
  return attempt.reused ? "kept-alive connection" : "not needed";
}
