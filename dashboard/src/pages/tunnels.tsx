/** The list of tunnels. */

import { Link } from "wouter";
import { useServices, useSession, useTunnels } from "../api/queries";
import { plural } from "../model/format";
import { tunnelHealth } from "../model/health";
import { may } from "../model/permissions";
import { tunnelOf } from "../model/service";
import { useAddress } from "../ui/address";
import { ButtonLink, CodeBlock, SelectInput, TextInput } from "../ui/controls";
import { Badge, PageHead, Panel, Time } from "../ui/page";
import { Empty, Loaded } from "../ui/states";
import { Table } from "../ui/table";

export default function Tunnels() {
  const session = useSession();
  const tunnels = useTunnels();
  const services = useServices();
  const [params, change] = useAddress();
  const search = params.get("q") ?? "";
  const state = params.get("state") ?? "";
  const create = may(session, "cloudflare-tunnel.edit") ? <ButtonLink href="/tunnels/new" look="primary">Create a tunnel</ButtonLink> : null;
  return (
    <>
      <PageHead title="Tunnels" lead="Outbound-only ways from a private network to this edge. Connectors dial out; nothing listens inside." actions={create} />
      <Loaded query={tunnels}>
        {(all) => {
          if (all.length === 0) {
            return (
              <Panel>
                <Empty title="No tunnels yet">
                  <p>A tunnel lets Workers reach services in a private network, without an open port there.</p>
                  {create}
                  <CodeBlock label="command" text="culvert tunnel create warehouse" />
                </Empty>
              </Panel>
            );
          }
          const rows = all
            .filter((tunnel) => `${tunnel.name} ${tunnel.id}`.toLowerCase().includes(search.toLowerCase()) && (state === "" || tunnelHealth(tunnel).health === state))
            .sort((a, b) => a.name.localeCompare(b.name));
          return (
            <>
              <div className="filters">
                <TextInput label="Search" compact type="search" value={search} onChange={(q) => change({ q })} placeholder="Name or id" />
                <SelectInput label="State" compact value={state} onChange={(value) => change({ state: value })} options={[{ id: "", label: "Any state" }, { id: "healthy", label: "Connected" }, { id: "degraded", label: "Degraded" }, { id: "down", label: "Not connected" }]} />
              </div>
              <Panel flush>
                {rows.length === 0 ? <Empty title="No tunnel fits these filters" /> : (
                  <Table
                    label="Tunnels" rows={rows} rowKey={(tunnel) => tunnel.id}
                    columns={[
                      { label: "Name", primary: true, cell: (tunnel) => <Link href={`/tunnels/${tunnel.id}`}>{tunnel.name}</Link> },
                      { label: "State", cell: (tunnel) => { const { health, words } = tunnelHealth(tunnel); return <Badge health={health}>{words}</Badge>; } },
                      { label: "Connectors", align: "end", cell: (tunnel) => new Set(tunnel.connections.map((connection) => connection.client_id)).size },
                      { label: "Connections", align: "end", cell: (tunnel) => tunnel.connections.filter((connection) => !connection.is_pending_reconnect).length },
                      { label: "Services", align: "end", cell: (tunnel) => services.data?.filter((service) => tunnelOf(service) === tunnel.id).length ?? "–" },
                      { label: "Connected since", cell: (tunnel) => tunnel.conns_active_at === null ? <span className="muted">–</span> : <Time at={tunnel.conns_active_at} /> },
                      { label: "Created", cell: (tunnel) => <Time at={tunnel.created_at} /> },
                    ]}
                  />
                )}
              </Panel>
              <p className="muted small">{plural(all.length, "tunnel")}</p>
            </>
          );
        }}
      </Loaded>
    </>
  );
}
