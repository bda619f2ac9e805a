/** What a session may do. The server decides; this only keeps the dashboard from offering what it would refuse. */

import type { Session } from "../api/types";

const COVERS: Record<string, readonly string[]> = {
  "connectivity-directory.read": ["connectivity-directory.bind", "connectivity-directory.admin"],
  "connectivity-directory.bind": ["connectivity-directory.admin"],
  "cloudflare-tunnel.read": ["cloudflare-tunnel.edit"],
  "workers-scripts.read": ["workers-scripts.edit"],
};

export function may(session: Pick<Session, "permissions">, needed: string): boolean {
  return [needed, ...(COVERS[needed] ?? [])].some((permission) => session.permissions.includes(permission));
}
