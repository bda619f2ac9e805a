/** The exact commands that connect a private network. Pure. */

import type { Edge } from "../api/types";

export interface ConnectCommands {
  /** Saves the certificate authority, where the connector needs it. */
  authority: string | null;
  culvert: string;
  cloudflared: string;
}

export function connectCommands(edge: Edge, token: string): ConnectCommands {
  const own = edge.tunnel_ca !== null;
  return {
    authority: edge.tunnel_ca === null ? null : `cat > tunnel-ca.pem <<'END'\n${edge.tunnel_ca.trim()}\nEND`,
    culvert: `culvert connect --edge ${edge.tunnel}${own ? " --ca tunnel-ca.pem" : ""} \\\n  --token ${token}`,
    cloudflared: `cloudflared tunnel --no-autoupdate --edge ${edge.tunnel}${own ? " --cacert tunnel-ca.pem" : ""} --protocol quic run \\\n  --token ${token}`,
  };
}
