/** What happened on the way to one VPC Service: connections, latency, errors, and the failed connections one by one. */

import { useMemo, useState } from "react";
import { Link } from "wouter";
import { useConnectionEvents, useConnectionMetrics, useErrorRows, usePinnedEvent, type Filters } from "../api/queries";
import { CATEGORIES, type Category, type ConnectionEvent, type ConnectionMetrics, type ErrorRow, type Quantiles, type VpcService } from "../api/types";
import { decided, succeeded, total } from "../model/counts";
import { formatCompact, formatCount, formatDuration, formatShare, plural, shortId } from "../model/format";
import { column, steps } from "../model/series";
import { httpPorts } from "../model/service";
import type { Range } from "../model/time";
import { useAddress, type Changes } from "../ui/address";
import { Chart, type Series } from "../ui/chart";
import { Button, CodeBlock, SelectInput, TextInput } from "../ui/controls";
import { Older, usePages } from "../ui/older";
import { CategoryName, CodeLink, CodeName, Panel, Time } from "../ui/page";
import { usePin } from "../ui/pin";
import { RangePicker, useRange } from "../ui/range";
import { Empty, Failed, Loaded } from "../ui/states";
import { Table } from "../ui/table";
import { Waterfall } from "../ui/waterfall";
import { Sentence } from "../ui/words";

const COLOURS: Record<Category, "upstream" | "client" | "internal"> = { "Bad Upstream": "upstream", Client: "client", Internal: "internal" };

/** What may be asked for besides, under these names in the address. A report of one service has that one only. */
const FILTERS = ["service", "category", "code", "worker", "connector"] as const;

/** What a report is of: one service, or all that goes through one tunnel. */
type Subject = { service: string } | { tunnel: string };

/** The metrics of whatever these filters leave. */
export function ConnectionsReport({ fixed, empty }: { fixed: Subject; empty: React.ReactNode }) {
  const { range, choose } = useRange();
  const [params, change] = useAddress();
  const filter = (changes: Changes) => change({ ...changes, pages: null });
  const filters: Filters = { ...Object.fromEntries(FILTERS.map((name) => [name, params.get(name)])), ...fixed };
  const filtered = FILTERS.some((name) => params.get(name) !== null);
  const byCategory = useConnectionMetrics(range, { ...filters, by: "category" });
  const latency = useConnectionMetrics(range, { ...filters, quantiles: true });
  const byCode = useConnectionMetrics(range, { ...filters, by: "code", points: false });
  const workers = useConnectionMetrics(range, { ...fixed, by: "worker", points: false });
  const connectors = useConnectionMetrics(range, { ...fixed, by: "connector", points: false });
  const codes = useConnectionMetrics(range, { ...fixed, by: "code", points: false });

  const options = (metrics: ConnectionMetrics | undefined, name: "worker" | "connector" | "code", all: string) => {
    const values = [...new Set((metrics?.groups ?? []).map((group) => group.key[name]).filter((value): value is string => typeof value === "string" && value !== ""))];
    const chosen = params.get(name);
    if (chosen !== null && !values.includes(chosen)) values.push(chosen);
    return [{ id: "", label: all }, ...values.sort().map((id) => ({ id, label: name === "connector" ? shortId(id) : id }))];
  };

  return (
    <>
      <div className="filters">
        <RangePicker />
        {"tunnel" in fixed ? <ServiceFilter tunnel={fixed.tunnel} range={range} value={params.get("service") ?? ""} onChange={(service) => filter({ service })} /> : null}
        <SelectInput label="Category" compact value={params.get("category") ?? ""} onChange={(category) => filter({ category })} options={[{ id: "", label: "All categories" }, ...CATEGORIES.map((id) => ({ id, label: id }))]} />
        <SelectInput label="Code" compact value={params.get("code") ?? ""} onChange={(code) => filter({ code })} options={options(codes.data, "code", "All codes")} />
        <SelectInput label="Worker" compact value={params.get("worker") ?? ""} onChange={(worker) => filter({ worker })} options={options(workers.data, "worker", "All Workers")} />
        <SelectInput label="Connector" compact value={params.get("connector") ?? ""} onChange={(connector) => filter({ connector })} options={options(connectors.data, "connector", "All connectors")} />
        {filtered ? <Button look="plain" onPress={() => filter({ ...Object.fromEntries(FILTERS.map((name) => [name, null])), detail: null })}>Clear</Button> : null}
      </div>
      <Loaded query={byCategory} lines={8}>
        {(metrics) => {
          if (total(metrics.groups).count === 0) {
            return <Panel>{filtered ? <Empty title="Nothing fits these filters in this range" /> : empty}</Panel>;
          }
          return (
            <>
              <Panel title="Connections" aside="Drag over a chart to look closer."><Connections metrics={metrics} onRange={choose} /></Panel>
              <Panel title="Latency" aside={`Median, 90th and 99th percentile${latency.data ? ` per ${stepWords(latency.data.step)}` : ""}`}>
                <Loaded query={latency}>{(data) => <Latency metrics={data} onRange={choose} />}</Loaded>
              </Panel>
              <Panel title="Errors" flush><Loaded query={byCode}>{(data) => <Codes metrics={data} />}</Loaded></Panel>
              <FailedConnections fixed={fixed} filters={filters} />
            </>
          );
        }}
      </Loaded>
    </>
  );
}

/** What the API counts under the tunnel's own id: requests of Workers bound to its whole network, and those of visitors at the host names that it publishes. */
const NO_SERVICE = "Its network, and published hosts";

/** Which of the services behind a tunnel. */
function ServiceFilter({ tunnel, range, value, onChange }: { tunnel: string; range: Range; value: string; onChange: (value: string) => void }) {
  const services = useConnectionMetrics(range, { tunnel, by: "service", limit: 1000, points: false });
  const names = new Map((services.data?.groups ?? []).map(({ key: { service = "", service_name } }) => [service, service_name ?? shortId(service)]));
  if (value !== "" && !names.has(value)) names.set(value, shortId(value));
  const options = [...names].map(([id, name]) => ({ id, label: id === tunnel ? NO_SERVICE : name })).sort((a, b) => a.label.localeCompare(b.label));
  return <SelectInput label="Service" compact value={value} onChange={onChange} options={[{ id: "", label: "All services" }, ...options]} />;
}

function stepWords(step: number | null): string {
  if (step === null) return "range";
  if (step === 60) return "minute";
  if (step < 3600) return plural(step / 60, "minute");
  if (step === 3600) return "hour";
  return step < 86_400 ? plural(step / 3600, "hour") : "day";
}

export function ServiceMetrics({ service }: { service: VpcService }) {
  const binding = service.name.toUpperCase().replace(/[^A-Z0-9]+/g, "_") || "SERVICE";
  return (
    <ConnectionsReport
      fixed={{ service: service.service_id }}
      empty={(
        <Empty title="No connections in this range">
          <p>Metrics begin with the first request. Bind a Worker to the service (see <Link href={`/services/${service.service_id}/used-by`}>Used by</Link>), deploy it, and have it {service.type === "tcp" ? "connect" : "fetch"}:</p>
          <CodeBlock label="Worker code" text={service.type === "tcp" ? `env.${binding}.connect("${service.host.hostname ?? "service.internal"}:${service.tcp_port ?? 0}")` : `await env.${binding}.fetch("http${httpPorts(service).http === null ? "s" : ""}://${service.host.hostname ?? "service.internal"}/")`} />
          <p>Or see now whether it answers: <Link href={`/services/${service.service_id}/diagnose`}>Diagnose</Link>.</p>
        </Empty>
      )}
    />
  );
}

export function Connections({ metrics, onRange }: { metrics: ConnectionMetrics; onRange?: (since: number, until: number) => void }) {
  const times = useMemo(() => steps(metrics), [metrics]);
  const sums = total(metrics.groups);
  const good = useMemo((): Series[] => {
    const points = metrics.groups.find((group) => group.key.category === null || group.key.category === undefined)?.points ?? [];
    return [{ label: "Succeeded", colour: "ok", values: column(times, points, succeeded, 0) }];
  }, [metrics, times]);
  const failed = useMemo(
    () => CATEGORIES.map((category): Series => ({
      label: category, colour: COLOURS[category],
      values: column(times, metrics.groups.find((group) => group.key.category === category)?.points ?? [], (point) => point.failed, 0),
    })),
    [metrics, times],
  );
  const ofCategory = (category: Category) => metrics.groups.find((group) => group.key.category === category)?.failed ?? 0;
  return (
    <div className="stack">
      <p className="number">
        <strong>{formatShare(succeeded(sums), decided(sums))}</strong> of {plural(decided(sums), "connection")} succeeded; {formatCount(sums.failed)} failed.
        {sums.canceled === 0 ? null : <span className="muted"> {formatCount(sums.canceled)} more {sums.canceled === 1 ? "was" : "were"} canceled by those who asked.</span>}
      </p>
      <div className="columns">
        <Chart label="Successful connections" kind="stacked-bars" unit="count" times={times} series={good} format={formatCompact} totals={[formatCount(succeeded(sums))]} onRange={onRange} sync="connections" />
        <Chart label="Failed connections by category" kind="stacked-bars" unit="count" times={times} series={failed} format={formatCompact} totals={CATEGORIES.map((category) => formatCount(ofCategory(category)))} onRange={onRange} sync="connections" />
      </div>
    </div>
  );
}

const QUANTILES = [["p50", "1"], ["p90", "2"], ["p99", "3"]] as const;

function Latency({ metrics, onRange }: { metrics: ConnectionMetrics; onRange: (since: number, until: number) => void }) {
  const times = useMemo(() => steps(metrics), [metrics]);
  const group = metrics.groups[0];
  return (
    <div className="columns three">
      {([["connect", "Connecting"], ["dns", "DNS"], ["first_byte", "First byte"]] as const).map(([measure, words]) => {
        const whole: Quantiles | undefined = group?.[measure];
        return (
          <div key={measure} className="stack tight">
            <h3>{words}</h3>
            {whole === undefined ? <p className="muted">{measure === "dns" ? "No name was resolved in this range." : "Nothing measured in this range."}</p> : (
              <LatencyChart label={`${words} latency`} times={times} metrics={metrics} measure={measure} whole={whole} onRange={onRange} />
            )}
          </div>
        );
      })}
    </div>
  );
}

function LatencyChart({ label, times, metrics, measure, whole, onRange }: { label: string; times: readonly number[]; metrics: ConnectionMetrics; measure: "connect" | "dns" | "first_byte"; whole: Quantiles; onRange: (since: number, until: number) => void }) {
  const series = useMemo(
    () => QUANTILES.map(([quantile, colour]): Series => ({
      label: quantile, colour, values: column(times, metrics.groups[0]?.points ?? [], (point) => point[measure]?.[quantile] ?? null, null),
    })),
    [times, metrics, measure],
  );
  return <Chart label={label} kind="lines" times={times} series={series} format={formatDuration} totals={QUANTILES.map(([quantile]) => formatDuration(whole[quantile]))} onRange={onRange} sync="latency" height={170} />;
}

function Codes({ metrics }: { metrics: ConnectionMetrics }) {
  const reference = useErrorRows();
  const [params, change] = useAddress();
  const failures = metrics.groups.filter((group) => typeof group.key.code === "string" && group.key.category);
  const all = failures.reduce((sum, group) => sum + group.count, 0);
  if (all === 0) return <Empty title="No failures in this range" />;
  const row = (code: string, category: Category): ErrorRow | undefined => reference.data?.find((item) => item.code === code && item.category === category);
  const rows = failures
    .map((group) => ({ group, code: group.key.code ?? "", category: group.key.category ?? "Internal" }))
    .sort((a, b) => CATEGORIES.indexOf(a.category) - CATEGORIES.indexOf(b.category) || b.group.count - a.group.count);
  return (
    <Table
      label="Errors by code" rows={rows} rowKey={({ code, category }) => `${code} ${category}`}
      columns={[
        {
          label: "Code", primary: true, cell: ({ code, category }) => (
            <>
              <CodeLink code={code} />
              <div className="row-action">
                {params.get("code") === code && params.get("category") === category
                  ? <Button small onPress={() => change({ code: null, category: null, pages: null })}>Show all</Button>
                  : <Button small aria-label={`Only this: ${code}, ${category}`} onPress={() => change({ code, category, pages: null })}>Only this</Button>}
              </div>
            </>
          ),
        },
        { label: "Category", cell: ({ category }) => <CategoryName category={category} /> },
        { label: "Count", align: "end", cell: ({ group }) => formatCount(group.count) },
        { label: "Share", align: "end", cell: ({ group }) => formatShare(group.count, all) },
        { label: "Last seen", cell: ({ group }) => <Time at={group.last} /> },
        {
          label: "What it means, and what to do", wide: true,
          cell: ({ code, category }) => {
            const found = row(code, category);
            return found === undefined ? <span className="muted">…</span> : <><div><Sentence text={found.meaning} /></div><div className="muted small"><Sentence text={found.fix} /></div></>;
          },
        },
      ]}
    />
  );
}

function FailedConnections({ fixed, filters }: { fixed: Subject; filters: Filters }) {
  const { range } = useRange();
  const [params, change] = useAddress();
  const detail = params.get("detail") ?? "";
  const events = useConnectionEvents(range, { ...filters, failed: true, detail, limit: 20 }, usePages());
  const [pin, setPin] = usePin("event");
  const pinned = usePinnedEvent({ ...fixed }, pin);
  const rows = events.data?.rows ?? [];
  // What is open stays there when newer ones push it out of the list, and when its address is opened much later.
  const shown = pinned === undefined || rows.some((row) => row.id === pinned.id) ? rows : [pinned, ...rows];
  return (
    <Panel title="Failed connections" aside="Newest first">
      <div className="stack">
        <div className="filters">
          <TextInput label="Detail contains" compact type="search" value={detail} onChange={(value) => change({ detail: value, pages: null })} placeholder="Address, errno …" />
        </div>
        {events.error ? <Failed error={events.error} /> : null}
        {events.data === undefined ? null : shown.length === 0 ? <p className="muted">None in this range.</p> : (
          <>
            {events.data.lost > 0 ? <p className="note warn">{plural(events.data.lost, "record")} of this range were not kept because there was too much to write. The metrics above count them.</p> : null}
            <ul className="event-list">
              {shown.map((event) => (
                <FailedConnection key={event.id} event={event} named={"tunnel" in fixed} open={pin?.id === event.id} onToggle={() => setPin(pin?.id === event.id ? null : { id: event.id, at: event.timestamp })} />
              ))}
            </ul>
            <Older list={events.data} busy={events.isFetchingNextPage} />
          </>
        )}
      </div>
    </Panel>
  );
}

/** A visitor who came at a host name that a tunnel publishes; the tunnel stands for the service then. */
const NO_WORKER = "";

/** `named`: with the service's name, where it may be any. */
function FailedConnection({ event, named, open, onToggle }: { event: ConnectionEvent; named: boolean; open: boolean; onToggle: () => void }) {
  const [body] = useState(() => `event-${event.id}`);
  return (
    <li className="event">
      <button type="button" className="event-head" aria-expanded={open} aria-controls={body} onClick={onToggle}>
        <span className="muted"><Time at={event.timestamp} form="clock" /></span>
        <CodeName code={event.code ?? ""} />
        <span className="event-detail"><Sentence text={event.detail ?? ""} /></span>
      </button>
      {open ? (
        <div id={body} className="event-body stack">
          <p className="shown-in-head"><Sentence text={event.detail ?? ""} /></p>
          <Waterfall attempt={event} />
          <dl className="facts">
            <dt>When</dt><dd><Time at={event.timestamp} form="precise" /></dd>
            <dt>Whose fault</dt><dd>{event.category === undefined ? "–" : <CategoryName category={event.category} />}, in the phase {event.phase}</dd>
            <dt>What to do</dt><dd>{event.code === undefined ? null : <>See <CodeLink code={event.code} />. {event.retryable ? "Sending the same request again is safe and may help." : "Sending it again is not known to be safe, or will not help."}</>}</dd>
            {event.worker === NO_WORKER ? <><dt>Asked by</dt><dd>a visitor, at a host name that {event.serviceName} publishes, ray <code>{event.rayId}</code></dd></> : (
              <>
                {named && event.serviceId !== event.tunnelId ? <><dt>Service</dt><dd><Link href={`/services/${event.serviceId}`}>{event.serviceName}</Link></dd></> : null}
                <dt>Worker</dt><dd><Link href={`/workers/${encodeURIComponent(event.worker)}/logs?ray=${event.rayId}`}>{event.worker}, ray {event.rayId}</Link></dd>
              </>
            )}
            <dt>Address</dt><dd>{event.address === undefined ? <span className="muted">not known</span> : <code>{event.address}</code>}</dd>
            <dt>Connector</dt><dd>{event.connectorId === undefined ? <span className="muted">not known</span> : <Link href={`/tunnels/${event.tunnelId}/metrics?connector=${event.connectorId}`}><code>{event.connectorId}</code></Link>}</dd>
          </dl>
        </div>
      ) : null}
    </li>
  );
}
