/** The list of VPC Services: what each is, and whether it answers. */

import { Link } from "wouter";
import { useConnectionMetrics, useServices, useSession, useTunnels } from "../api/queries";
import type { VpcService } from "../api/types";
import { decided, succeeded } from "../model/counts";
import { formatShare, plural, shortId } from "../model/format";
import { isTrouble, serviceHealth, type Health } from "../model/health";
import { may } from "../model/permissions";
import { hostText, portsText, tunnelOf } from "../model/service";
import { readRange } from "../model/time";
import { useAddress } from "../ui/address";
import { ButtonLink, CodeBlock, SelectInput, TextInput } from "../ui/controls";
import { Badge, PageHead, Panel, useNow } from "../ui/page";
import { Sparkline } from "../ui/sparkline";
import { Empty, Failed, Loaded } from "../ui/states";
import { Table } from "../ui/table";
import { HostName } from "./host-name";

/** The state that stands for all in which somebody should look. */
const TROUBLE = "trouble";

const STATES: { id: Health | typeof TROUBLE | ""; label: string }[] = [
  { id: "", label: "Any state" },
  { id: TROUBLE, label: "In trouble" },
  { id: "healthy", label: "Healthy" },
  { id: "degraded", label: "Some failures" },
  { id: "failing", label: "Failing" },
  { id: "down", label: "Tunnel down" },
  { id: "idle", label: "No traffic" },
];

export default function Services() {
  const session = useSession();
  const services = useServices();
  const tunnels = useTunnels();
  const now = useNow();
  const range = readRange(new URLSearchParams({ range: "6h" }), now);
  const metrics = useConnectionMetrics(range, { by: "service", limit: 1000 });
  const recent = useConnectionMetrics(readRange(new URLSearchParams({ range: "15m" }), now), { by: "service", limit: 1000, points: false });
  const [params, change] = useAddress();
  const search = params.get("q") ?? "";
  const type = params.get("type") ?? "";
  const state = params.get("state") ?? "";
  const tunnel = params.get("tunnel") ?? "";

  const tunnelById = new Map((tunnels.data ?? []).map((item) => [item.id, item]));
  const groups = new Map((metrics.data?.groups ?? []).map((group) => [group.key.service, group]));
  const recentGroups = new Map((recent.data?.groups ?? []).map((group) => [group.key.service, group]));
  const describe = (service: VpcService) => {
    const id = tunnelOf(service);
    const found = tunnels.data === undefined || id === undefined ? undefined : (tunnelById.get(id) ?? null);
    const lately = recent.data === undefined ? undefined : (recentGroups.get(service.service_id) ?? { count: 0, failed: 0 });
    return { service, tunnel: found, group: groups.get(service.service_id), ...serviceHealth(found, lately) };
  };
  const create = may(session, "connectivity-directory.admin") ? <ButtonLink href="/services/new" look="primary">Create a VPC Service</ButtonLink> : null;

  return (
    <>
      <PageHead title="VPC Services" lead="Private services that Workers can be bound to: each one host and port behind a tunnel." actions={create} />
      {metrics.error && services.data !== undefined ? <Failed error={metrics.error} onRetry={() => void metrics.refetch()} /> : null}
      <Loaded query={services}>
        {(all) => {
          if (all.length === 0) {
            return (
              <Panel>
                <Empty title="No VPC Services yet">
                  <p>Register a private service once; every Worker that is bound to it can then fetch it, and nothing else behind the tunnel.</p>
                  {create}
                  <CodeBlock label="command" text="culvert vpc service create inventory --type http --ipv4 10.0.0.5 --http-port 8080 --tunnel-id TUNNEL_ID" />
                </Empty>
              </Panel>
            );
          }
          const words = search.toLowerCase();
          const rows = all.map(describe).filter((row) =>
            (words === "" || `${row.service.name} ${hostText(row.service)} ${row.service.service_id}`.toLowerCase().includes(words))
            && (type === "" || row.service.type === type)
            && (state === "" || row.health === state || (state === TROUBLE && isTrouble(row.health)))
            && (tunnel === "" || tunnelOf(row.service) === tunnel),
          ).sort((a, b) => a.service.name.localeCompare(b.service.name));
          return (
            <>
              <div className="filters">
                <TextInput label="Search" compact type="search" value={search} onChange={(q) => change({ q })} placeholder="Name, host, id" />
                <SelectInput label="Type" compact value={type} onChange={(value) => change({ type: value })} options={[{ id: "", label: "Any type" }, { id: "http", label: "HTTP" }, { id: "tcp", label: "TCP" }]} />
                <SelectInput label="State" compact value={state} onChange={(value) => change({ state: value })} options={STATES} />
                <SelectInput label="Tunnel" compact value={tunnel} onChange={(value) => change({ tunnel: value })} options={[{ id: "", label: "Any tunnel" }, ...(tunnels.data ?? []).map(({ id, name }) => ({ id, label: name }))]} />
              </div>
              <Panel flush>
                {rows.length === 0 ? <Empty title="No service fits these filters"><p>{plural(all.length, "service")} in all.</p></Empty> : (
                  <Table
                    label="VPC Services" rows={rows} rowKey={(row) => row.service.service_id}
                    columns={[
                      { label: "Name", primary: true, cell: (row) => <Link href={`/services/${row.service.service_id}`}>{row.service.name}</Link> },
                      { label: "State", cell: (row) => <Badge health={row.health}>{row.words}</Badge> },
                      { label: "Type", cell: (row) => row.service.type.toUpperCase() },
                      { label: "Host", cell: (row) => <HostName service={row.service} /> },
                      { label: "Ports", cell: (row) => portsText(row.service) },
                      { label: "Tunnel", cell: (row) => row.tunnel ? <Link href={`/tunnels/${row.tunnel.id}`}>{row.tunnel.name}</Link> : <span className="muted">{row.tunnel === null ? `deleted (${shortId(tunnelOf(row.service) ?? "")})` : "…"}</span> },
                      { label: "Success", align: "end", cell: (row) => row.group === undefined ? <span className="muted">–</span> : formatShare(succeeded(row.group), decided(row.group)) },
                      { label: "Last 6 hours", cell: (row) => metrics.data === undefined ? null : <Sparkline range={metrics.data} points={row.group?.points ?? []} label="Connections" /> },
                    ]}
                  />
                )}
              </Panel>
            </>
          );
        }}
      </Loaded>
    </>
  );
}
