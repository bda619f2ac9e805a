/** Health in one look: what there is, what fails now and whose fault it is. */

import type { ReactNode } from "react";
import { Link } from "wouter";
import { useConnectionMetrics, useErrorRows, useInvocationMetrics, useServices, useTunnels, useWorkers } from "../api/queries";
import { CATEGORIES, type Category, type VpcService } from "../api/types";
import { decided, succeeded, total, type Counts } from "../model/counts";
import { formatCount, formatShare } from "../model/format";
import { isTrouble, serviceHealth, tunnelHealth, type ServiceHealth } from "../model/health";
import { tunnelOf } from "../model/service";
import { readRange } from "../model/time";
import { Badge, CategoryName, CodeLink, PageHead, Panel, Time, useNow } from "../ui/page";
import { useAddress } from "../ui/address";
import { RangePicker, useRange } from "../ui/range";
import { Empty, Loaded, LoadingCharts } from "../ui/states";
import { Table } from "../ui/table";
import { Sentence } from "../ui/words";
import { Button, ButtonLink } from "../ui/controls";
import { Connections } from "./service-metrics";

/** How many services in trouble are shown; the list has the others. */
const MOST_TROUBLED = 6;

/** How many of the failures are shown at first. */
const MOST_FAILURES = 6;

export default function Overview() {
  const { range, choose } = useRange();
  const now = useNow();
  const lately = readRange(new URLSearchParams({ range: "15m" }), now);
  const services = useServices();
  const tunnels = useTunnels();
  const workers = useWorkers();
  const recent = useConnectionMetrics(lately, { by: "service", limit: 1000, points: false });
  const failing = useConnectionMetrics(lately, { by: "code", points: false });
  const invocations = useInvocationMetrics(lately, { by: "worker", limit: 1000, points: false });
  const byCategory = useConnectionMetrics(range, { by: "category" });

  const states = services.data?.map((service) => {
    const id = tunnelOf(service);
    const tunnel = tunnels.data === undefined || id === undefined ? undefined : (tunnels.data.find((item) => item.id === id) ?? null);
    const counts = recent.data === undefined ? undefined : (recent.data.groups.find((group) => group.key.service === service.service_id) ?? { count: 0, failed: 0 });
    return { service, counts, ...serviceHealth(tunnel, counts) };
  });
  const troubled = states?.filter(({ health }) => isTrouble(health)) ?? [];
  troubled.sort((a, b) => (b.counts?.failed ?? 0) - (a.counts?.failed ?? 0));
  const down = tunnels.data?.filter((tunnel) => tunnelHealth(tunnel).health !== "healthy") ?? [];
  const badWorkers = invocations.data?.groups.filter((group) => group.failed > 0) ?? [];
  const lastly = recent.data === undefined ? undefined : total(recent.data.groups);
  const fresh = services.data?.length === 0 && tunnels.data?.length === 0 && workers.data?.length === 0;

  return (
    <>
      <PageHead title="Overview" lead="What there is, and what fails now." actions={<RangePicker />} />
      <div className="cards">
        <Card href={troubled.length === 0 ? "/services" : "/services?state=trouble"} label="VPC Services" value={many(services)} words={states === undefined ? "" : troubled.length === 0 ? "none in trouble" : `${formatCount(troubled.length)} in trouble`} bad={troubled.length > 0} />
        <Card href="/tunnels" label="Tunnels" value={many(tunnels)} words={tunnels.data === undefined ? "" : down.length === 0 ? "all connected" : `${formatCount(down.length)} not fully connected`} bad={down.length > 0} />
        <Card href="/workers" label="Workers" value={many(workers)} words={invocations.data === undefined ? "" : badWorkers.length === 0 ? "no failures, 15 min" : `${formatCount(badWorkers.length)} with failures, 15 min`} bad={badWorkers.length > 0} />
        <Card href="/services?state=trouble" label="Connections that succeeded" value={recent.error && lastly === undefined ? UNKNOWN : shareWords(lastly)} words={failedWords(lastly)} bad={lastly !== undefined && lastly.failed > 0} besides={besidesWords(lastly)} />
      </div>
      {fresh ? (
        <Panel>
          <Empty title="Nothing here yet">
            <p>First make a tunnel into a private network, then register a service behind it, then bind a Worker to the service.</p>
            <ButtonLink href="/tunnels/new" look="primary">Create a tunnel</ButtonLink>
          </Empty>
        </Panel>
      ) : null}
      {fresh ? null : (
        <Panel title="Connections to private services" aside="Drag over a chart to look closer.">
          <Loaded query={byCategory} loading={<LoadingCharts />}>{(data) => total(data.groups).count === 0 ? <Empty title="No connections in this range"><p>They are counted from the first request of a Worker to a <Link href="/services">VPC Service</Link> on.</p></Empty> : <Connections metrics={data} onRange={choose} />}</Loaded>
        </Panel>
      )}
      {fresh ? null : (
        <Panel title="Services in trouble" aside={troubled.length > MOST_TROUBLED ? <Link href="/services?state=trouble">All {formatCount(troubled.length)} of them</Link> : "Last 15 minutes"} flush>
          <Loaded query={services} lines={MOST_TROUBLED}>
            {() => <Loaded query={tunnels} lines={MOST_TROUBLED}>{() => <Loaded query={recent} lines={MOST_TROUBLED}>{() => <Troubled rows={troubled.slice(0, MOST_TROUBLED)} />}</Loaded>}</Loaded>}
          </Loaded>
        </Panel>
      )}
      <Panel title="Failures now" aside="Connections to private services, last 15 minutes" flush>
        <Loaded query={failing} lines={3}>{(data) => <Failures groups={data.groups} />}</Loaded>
      </Panel>
      {badWorkers.length === 0 ? null : (
        <Panel title="Workers with failures" aside="Last 15 minutes" flush>
          <Table
            label="Workers with failures" rows={badWorkers} rowKey={(group) => group.key.worker ?? ""}
            columns={[
              { label: "Worker", primary: true, cell: (group) => <Link href={`/workers/${encodeURIComponent(group.key.worker ?? "")}`}>{group.key.worker}</Link> },
              { label: "Failed", align: "end", cell: (group) => `${formatCount(group.failed)} of ${formatCount(group.count)} (${formatShare(group.failed, group.count)})` },
              { label: "Last request", cell: (group) => <Time at={group.last} /> },
            ]}
          />
        </Panel>
      )}
    </>
  );
}

interface State extends ServiceHealth {
  service: VpcService;
  counts: Counts | undefined;
}

function Troubled({ rows }: { rows: readonly State[] }) {
  if (rows.length === 0) return <Empty title="No service is in trouble" />;
  return (
    <Table
      label="Services in trouble" rows={rows} rowKey={({ service }) => service.service_id}
      columns={[
        { label: "Service", primary: true, cell: ({ service }) => <Link href={`/services/${service.service_id}`}>{service.name}</Link> },
        { label: "State", cell: ({ health, words }) => <Badge health={health}>{words}</Badge> },
        { label: "Mostly", cell: ({ service }) => <MainFailure service={service.service_id} show={({ code }) => <CodeLink code={code} />} /> },
        { label: "Whose fault", cell: ({ service }) => <MainFailure service={service.service_id} show={({ category }) => <CategoryName category={category} />} /> },
        { label: "Failed", align: "end", cell: ({ counts }) => counts === undefined || counts.count === 0 ? "–" : `${formatCount(counts.failed)} of ${formatCount(decided(counts))}` },
        { label: "", align: "end", cell: ({ service }) => <Link href={`/services/${service.service_id}/diagnose`}>Diagnose</Link> },
      ]}
    />
  );
}

/** The failure that a service has most. */
function MainFailure({ service, show }: { service: string; show: (failure: { code: string; category: Category }) => ReactNode }) {
  const failures = useConnectionMetrics(readRange(new URLSearchParams({ range: "15m" }), useNow()), { service, category: CATEGORIES, by: "code", limit: 1, points: false });
  const { code, category } = failures.data?.groups[0]?.key ?? {};
  return code && category ? show({ code, category }) : <span className="muted">–</span>;
}

function Card({ href, label, value, words, bad, besides = "" }: { href: string; label: string; value: string; words: string; bad: boolean; besides?: string }) {
  return (
    <Link href={href} className="card">
      <span className="card-label">{label}</span>
      <span className="card-value">{value}</span>
      <span className="small">{bad ? <Badge health="failing">{words}</Badge> : <span className="muted">{words}</span>}{besides === "" ? null : <span className="muted nowrap"> {besides}</span>}</span>
    </Link>
  );
}

/** Stands where a number could not be read. */
const UNKNOWN = "–";

function many({ data, error }: { data: readonly unknown[] | undefined; error: unknown }): string {
  return data !== undefined ? formatCount(data.length) : error ? UNKNOWN : "…";
}

/** A share is that of the last quarter of an hour, as the rest of what is there now. */
function shareWords(counts: Counts | undefined): string {
  return counts === undefined ? "…" : formatShare(succeeded(counts), decided(counts));
}

function failedWords(counts: Counts | undefined): string {
  if (counts === undefined) return "";
  if (counts.count === 0) return "none in the last 15 min";
  return `${formatCount(counts.failed)} of ${formatCount(decided(counts))} failed`;
}

function besidesWords(counts: Required<Counts> | undefined): string {
  if (counts === undefined || counts.count === 0) return "";
  return counts.canceled === 0 ? "in 15 min" : `in 15 min, ${formatCount(counts.canceled)} canceled`;
}

function Failures({ groups }: { groups: readonly { key: { code?: string | null; category?: (typeof CATEGORIES)[number] | null }; count: number; last?: number }[] }) {
  const reference = useErrorRows();
  const [params, change] = useAddress();
  const rows = groups.filter((group) => typeof group.key.code === "string");
  if (rows.length === 0) return <Empty title="Nothing fails"><p>Every connection to a private service in the last 15 minutes succeeded, or there was none.</p></Empty>;
  const all = params.get("failures") === "all" || rows.length <= MOST_FAILURES + 1;
  return (
    <>
      <Table
        label="Failures now" rows={all ? rows : rows.slice(0, MOST_FAILURES)} rowKey={(group) => `${group.key.code ?? ""} ${group.key.category ?? ""}`}
        columns={[
          { label: "Code", primary: true, cell: (group) => <CodeLink code={group.key.code ?? ""} /> },
          { label: "Whose fault", cell: (group) => group.key.category ? <CategoryName category={group.key.category} /> : "–" },
          { label: "Count", align: "end", cell: (group) => formatCount(group.count) },
          { label: "Last seen", cell: (group) => <Time at={group.last} /> },
          { label: "What to do", wide: true, cell: (group) => <span className="muted"><Sentence text={reference.data?.find((row) => row.code === group.key.code && row.category === group.key.category)?.fix ?? ""} /></span> },
        ]}
      />
      {all ? null : <div className="panel-foot"><Button small onPress={() => change({ failures: "all" })}>Show all {formatCount(rows.length)}</Button></div>}
    </>
  );
}
