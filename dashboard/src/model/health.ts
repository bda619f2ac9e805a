/** The state of things in one word each, from what the API knows. Pure. */

import type { Tunnel } from "../api/types";
import { decided, type Counts } from "./counts";

export type Health = "healthy" | "failing" | "degraded" | "down" | "idle" | "unknown";

export interface ServiceHealth {
  health: Health;
  words: string;
}

/** Of failed among all attempts that were not given up, from where a service counts as failing, and as degraded. */
const FAILING = 0.5;
const DEGRADED = 0.01;

/** A service's state: its tunnel first, then how its latest attempts went. */
export function serviceHealth(
  tunnel: Pick<Tunnel, "status"> | undefined | null,
  recent: Counts | undefined,
): ServiceHealth {
  if (tunnel === null) return { health: "down", words: "Tunnel deleted" };
  if (tunnel && (tunnel.status === "inactive" || tunnel.status === "down")) {
    return { health: "down", words: "Tunnel down" };
  }
  if (!recent) return { health: "unknown", words: "Unknown" };
  if (recent.count === 0) return { health: "idle", words: "No traffic" };
  // Nobody waited to see whether it answers.
  if (decided(recent) === 0) return { health: "idle", words: "Only canceled" };
  const share = recent.failed / decided(recent);
  if (share >= FAILING) return { health: "failing", words: "Failing" };
  if (share >= DEGRADED) return { health: "degraded", words: "Some failures" };
  return { health: "healthy", words: "Healthy" };
}

/** Whether somebody should look. */
export function isTrouble(health: Health): boolean {
  return health === "failing" || health === "down" || health === "degraded";
}

export function tunnelHealth(tunnel: Pick<Tunnel, "status">): ServiceHealth {
  switch (tunnel.status) {
    case "healthy":
      return { health: "healthy", words: "Connected" };
    case "degraded":
      return { health: "degraded", words: "Degraded" };
    default:
      return { health: "down", words: "Not connected" };
  }
}

/** The words of an outcome, as Workers' users know them. */
export const OUTCOMES: Record<string, { label: string; health: Health; meaning: string }> = {
  ok: { label: "Success", health: "healthy", meaning: "The Worker answered." },
  exception: { label: "Uncaught Exception", health: "failing", meaning: "An exception or rejection that nothing caught, or a response that can never come. Visitors see Error 1101." },
  exceededCpu: { label: "Exceeded CPU Time Limit", health: "failing", meaning: "The invocation used more CPU time than its limit. Visitors see Error 1102." },
  exceededMemory: { label: "Exceeded Memory", health: "failing", meaning: "The isolate used more than 128 MB. Visitors see Error 1102." },
  exceededWallTime: { label: "Exceeded Wall Time", health: "failing", meaning: "It took longer than an event without a visitor may: 15 minutes." },
  internalError: { label: "Internal", health: "failing", meaning: "Culvert itself failed." },
  loadShed: { label: "Load Shed", health: "failing", meaning: "Refused, because too much was waiting already." },
  canceled: { label: "Canceled", health: "idle", meaning: "The visitor went away before the response." },
  responseStreamDisconnected: { label: "Response Stream Disconnected", health: "idle", meaning: "The visitor went away while the response body was being sent." },
  scriptNotFound: { label: "Worker Not Found", health: "idle", meaning: "There is no such Worker any more." },
};

export function outcomeLabel(outcome: string): string {
  return OUTCOMES[outcome]?.label ?? outcome;
}
