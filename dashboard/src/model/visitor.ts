/** Attempts that no Worker made: a visitor came at a host name that a tunnel publishes. The API names the tunnel as their service, and the host name as its name. Pure. */

import type { ConnectionEvent } from "../api/types";

export function isVisitor({ worker }: Pick<ConnectionEvent, "worker">): boolean {
  return worker === "";
}

export function visitorAt(host: string): string {
  return `visitor at ${host}`;
}
