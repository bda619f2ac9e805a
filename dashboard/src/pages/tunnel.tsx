/** One tunnel: who is connected, how well, what goes through it; rotating its secret, deleting it. */

import { Link } from "wouter";
import { ApiFailure, fetchResult } from "../api/client";
import { useAccount, useConnectors, useRefresh, useServices, useSession, useTunnel, useTunnelReferences, useTunnelToken } from "../api/queries";
import type { Connector, Tunnel, VpcService } from "../api/types";
import { formatBytes, formatCount, formatDuration, plural, shortId } from "../model/format";
import { tunnelHealth } from "../model/health";
import { may } from "../model/permissions";
import { portsText, tunnelOf } from "../model/service";
import { useShown } from "../ui/address";
import { Button, ButtonLink, CopyButton } from "../ui/controls";
import { ConfirmDialog, useDialog } from "../ui/dialog";
import { Badge, Facts, PageHead, Panel, Tabs, Time } from "../ui/page";
import { Empty, Loaded } from "../ui/states";
import { Table } from "../ui/table";
import { tell } from "../ui/toasts";
import { Sentence } from "../ui/words";
import { HostName } from "./host-name";
import { useNamed } from "./names";
import { ConnectionsReport } from "./service-metrics";
import { TunnelCommands } from "./tunnel-commands";

const CRUMB = { href: "/tunnels", label: "Tunnels" };

export default function TunnelPage({ id, tab }: { id: string; tab: "connectors" | "metrics" }) {
  const session = useSession();
  const register = may(session, "connectivity-directory.admin");
  const tunnel = useTunnel(id);
  const connectors = useConnectors(id);
  const services = useServices();
  const references = useTunnelReferences(id);
  const health = tunnel.data === undefined ? null : tunnelHealth(tunnel.data);
  const behind = services.data?.filter((service) => tunnelOf(service) === id).sort((a, b) => a.name.localeCompare(b.name)) ?? [];
  if (tunnel.error instanceof ApiFailure && tunnel.error.isMissing) {
    return (
      <>
        <PageHead title="Tunnel" crumb={CRUMB} />
        <Panel><Empty title="There is no such tunnel, or no longer"><p><Sentence text={tunnel.error.message} /></p><ButtonLink href="/tunnels">All tunnels</ButtonLink></Empty></Panel>
      </>
    );
  }
  return (
    <>
      <PageHead title={tunnel.data?.name ?? "Tunnel"} crumb={CRUMB} badge={health === null ? null : <Badge health={health.health}>{health.words}</Badge>} />
      <Tabs label="This tunnel" items={[{ href: `/tunnels/${id}`, label: "Connectors" }, { href: `/tunnels/${id}/metrics`, label: "Metrics" }]} />
      <Loaded query={tunnel}>
        {(data) => tab === "metrics" ? (
          <ConnectionsReport fixed={{ tunnel: id }} empty={<NothingYet tunnel={id} service={behind[0]} register={register} />} />
        ) : (
          <>
            <Panel>
              <Facts
                items={[
                  ["Tunnel id", <span className="row" key="id"><code>{data.id}</code><CopyButton text={data.id} label="tunnel id" /></span>],
                  ["Created", <Time key="created" at={data.created_at} form="full" />],
                  ["Connected since", data.conns_active_at === null ? "not connected" : <Time key="since" at={data.conns_active_at} form="full" />],
                ]}
              />
            </Panel>
            <Panel title="Connectors" flush>
              <Loaded query={connectors} lines={linesFor(data)}>
                {(all) => all.length === 0 ? (
                  <Empty title="No connector"><p>Requests to services behind this tunnel fail with <Link href="/errors/destination_unavailable"><code>destination_unavailable</code></Link> until one connects.{may(session, "cloudflare-tunnel.edit") ? " The commands are below." : ""}</p></Empty>
                ) : <Connectors connectors={all} />}
              </Loaded>
            </Panel>
            {connectors.data?.length === 0 ? <Connect tunnel={data} /> : null}
            <Panel title="Services behind it" flush aside={register ? <Link href={`/services/new?tunnel=${id}`}>Register one</Link> : undefined}>
              {behind.length === 0 ? <Empty title="No service uses this tunnel" /> : (
                <Table
                  label="Services" rows={behind} rowKey={(service) => service.service_id}
                  columns={[
                    { label: "Name", primary: true, cell: (service) => <Link href={`/services/${service.service_id}`}>{service.name}</Link> },
                    { label: "Host", cell: (service) => <HostName service={service} /> },
                    { label: "Ports", cell: portsText },
                  ]}
                />
              )}
            </Panel>
            {references.data === undefined || references.data.length === 0 ? null : (
              <Panel title="Workers that reach the whole network" flush>
                <Table
                  label="Workers" rows={references.data} rowKey={(row) => `${row.worker} ${row.binding} ${row.version_id}`}
                  columns={[
                    { label: "Worker", primary: true, cell: (row) => <Link href={`/workers/${encodeURIComponent(row.worker)}/bindings`}>{row.worker}</Link> },
                    { label: "Binding", cell: (row) => <code>env.{row.binding}</code> },
                    { label: "Version", cell: (row) => <code>{shortId(row.version_id)}</code> },
                    { label: "Traffic", align: "end", cell: (row) => `${row.percentage} %` },
                  ]}
                />
              </Panel>
            )}
            {connectors.data?.length === 0 ? null : <Connect tunnel={data} />}
            <Manage tunnel={data} used={behind.length > 0 || (references.data?.length ?? 0) > 0} />
          </>
        )}
      </Loaded>
    </>
  );
}

/** About as many lines as the table of its connectors will take: a head each, and a row each of their connections. */
function linesFor({ connections }: Tunnel): number {
  return Math.max(4, Math.round(new Set(connections.map(({ client_id }) => client_id)).size * 4 + connections.length * 1.7));
}

/** What to do before there is anything to measure. */
function NothingYet({ tunnel, service, register }: { tunnel: string; service: VpcService | undefined; register: boolean }) {
  return (
    <Empty title="Nothing went through this tunnel in this range">
      <p>Metrics begin with the first request of a Worker to a service behind it, or of a visitor at a host name that it publishes.</p>
      {service === undefined
        ? register ? <ButtonLink href={`/services/new?tunnel=${tunnel}`} look="primary">Register a service behind it</ButtonLink> : null
        : <p><Link href={`/services/${service.service_id}/used-by`}>How a Worker reaches {service.name}</Link>, or see now whether it answers: <Link href={`/services/${service.service_id}/diagnose`}>Diagnose</Link>.</p>}
    </Empty>
  );
}

/** `culvert/0.1.0`; cloudflared gives its version alone. */
function softwareOf({ version }: Connector): string {
  return version.includes("/") ? version : `cloudflared/${version}`;
}

function Connectors({ connectors }: { connectors: readonly Connector[] }) {
  return connectors.map((connector) => {
    const going = connector.draining;
    return (
      <section key={connector.id} className="connector" aria-label={`Connector ${shortId(connector.id)}`}>
        <div className="panel-note stack tight">
          <div className="row">
            <h3><code title={connector.id}>{shortId(connector.id)}</code></h3>
            <Badge health={going ? "degraded" : "healthy"}>{going ? "Going away" : "Connected"}</Badge>
            <span className="muted">{softwareOf(connector)} · {connector.platform} · {plural(connector.connections.length, "connection")}</span>
          </div>
          {connector.warnings.length === 0 ? null : (
            <div className="note warn">{connector.warnings.map((warning) => <p key={warning}><Sentence text={warning} /></p>)}</div>
          )}
        </div>
        <Table
          label={`Connections of ${shortId(connector.id)}`} rows={connector.connections} rowKey={(connection) => connection.id}
          columns={[
            { label: "From", primary: true, cell: (connection) => <><code className="whole">{connection.remote_address}</code>{connection.draining && !going ? <> <Badge health="degraded">Going away</Badge></> : null}</> },
            { label: "Protocol", cell: (connection) => connection.transport === "quic" ? "QUIC" : "HTTP/2" },
            { label: "Round trip", align: "end", cell: (connection) => connection.rtt_ms === 0 ? <span className="muted">–</span> : formatDuration(connection.rtt_ms) },
            { label: "Flows now", align: "end", cell: (connection) => formatCount(connection.flows) },
            { label: "Flows in all", align: "end", cell: (connection) => formatCount(connection.flows_total) },
            { label: "Sent", align: "end", cell: (connection) => formatBytes(connection.bytes_sent) },
            { label: "Received", align: "end", cell: (connection) => formatBytes(connection.bytes_received) },
            { label: "Since", cell: (connection) => <Time at={connection.since} /> },
          ]}
        />
      </section>
    );
  });
}

/** 32 random bytes in base64, as a tunnel's secret is given. */
function newSecret(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
}

/** The commands with the token in them, for those who may see it and ask for it. */
function Connect({ tunnel }: { tunnel: Tunnel }) {
  const session = useSession();
  const [shown, show] = useShown("commands");
  const token = useTunnelToken(tunnel.id, shown);
  if (!may(session, "cloudflare-tunnel.edit")) return null;
  return (
    <Panel title="Connect">
      {shown ? <Loaded query={token}>{(text) => <TunnelCommands token={text} />}</Loaded> : (
        <div className="row"><Button onPress={() => show(true)}>Show the commands and the token</Button></div>
      )}
    </Panel>
  );
}

function Manage({ tunnel, used }: { tunnel: Tunnel; used: boolean }) {
  const session = useSession();
  const account = useAccount();
  const refresh = useRefresh();
  const rotating = useDialog("rotate");
  const deleting = useDialog("delete");
  const named = useNamed();
  if (!may(session, "cloudflare-tunnel.edit")) return null;
  const path = account(`/cfd_tunnel/${tunnel.id}`);
  const rotate = async () => {
    await fetchResult(path, { method: "PATCH", body: { tunnel_secret: newSecret() } });
    await refresh("tunnel-token", "tunnels");
    tell("The old token no longer works. Start the connectors with the new one.");
  };
  const remove = async () => {
    await fetchResult(path, { method: "DELETE" });
    tell(`Deleted ${tunnel.name}.`);
  };
  const leave = () => {
    deleting.done("/tunnels");
    void refresh("tunnels");
  };
  return (
    <Panel title="Rotate or delete">
      <div className="stack">
        <div className="row"><Button look="danger" onPress={() => rotating.open()}>Rotate the token</Button><span className="muted">Draws another secret and cuts every connection made with the old one.</span></div>
        <div className="row"><Button look="danger" onPress={() => deleting.open()}>Delete this tunnel</Button><span className="muted">{used ? "Refused while services or Workers use it." : "Its connections are cut."}</span></div>
      </div>
      <ConfirmDialog title={`Rotate the token of ${tunnel.name}?`} action="Rotate" open={rotating.of !== null} onClose={rotating.close} onConfirm={rotate} onDone={() => rotating.done({ commands: "shown" })}>
        <p>Every connector loses its connection at once and cannot come back with the old token. Services behind the tunnel are unreachable until one is started with the new token.</p>
      </ConfirmDialog>
      <ConfirmDialog title={`Delete ${tunnel.name}?`} action="Delete" typed={tunnel.name} named={named} open={deleting.of !== null} onClose={deleting.close} onConfirm={remove} onDone={leave}>
        <p>Its connectors are disconnected and its token stops working.</p>
      </ConfirmDialog>
    </Panel>
  );
}
