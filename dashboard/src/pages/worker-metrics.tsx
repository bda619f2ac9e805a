/** How a Worker's invocations went: requests, errors by how they ended, CPU and wall time, memory. */

import { useMemo } from "react";
import { Link } from "wouter";
import { useInvocationMetrics, useVersions, type Filters } from "../api/queries";
import type { InvocationMetrics, Quantiles } from "../api/types";
import { succeeded, total } from "../model/counts";
import { formatBytes, formatCompact, formatCount, formatDuration, formatShare, plural, shortId } from "../model/format";
import { OUTCOMES, outcomeLabel } from "../model/health";
import { column, steps } from "../model/series";
import { useAddress } from "../ui/address";
import { Chart, type Series } from "../ui/chart";
import { Button, CodeBlock, SelectInput } from "../ui/controls";
import { Panel, Time } from "../ui/page";
import { RangePicker, useRange } from "../ui/range";
import { Empty, Loaded } from "../ui/states";
import { Table } from "../ui/table";

const FAILURES = ["exception", "exceededCpu", "exceededMemory", "exceededWallTime", "internalError", "loadShed"];

/** `url`: where it answers, of one that exists. */
export function WorkerMetrics({ name, url }: { name: string; url: string | undefined }) {
  const { range, choose } = useRange();
  const [params, change] = useAddress();
  const version = params.get("version");
  const filters: Filters = { worker: name, version };
  const outcomes = useInvocationMetrics(range, { ...filters, by: "outcome" });
  const quantiles = useInvocationMetrics(range, { ...filters, quantiles: true });
  const byVersion = useInvocationMetrics(range, { worker: name, by: "version", points: false, quantiles: true });
  const versions = useVersions(name);
  const number = (id: string) => versions.data?.find((item) => item.id === id)?.number;
  const choices = [...new Set([...(byVersion.data?.groups ?? []).flatMap((group) => group.key.version ?? []), ...(version === null ? [] : [version])])];
  const label = (id: string) => { const found = number(id); return found === undefined ? shortId(id) : `#${found} (${shortId(id)})`; };
  return (
    <>
      <div className="filters">
        <RangePicker />
        <SelectInput label="Version" compact value={version ?? ""} onChange={(value) => change({ version: value })} options={[{ id: "", label: "All versions" }, ...choices.map((id) => ({ id, label: label(id) }))]} />
        {version === null ? null : <Button look="plain" onPress={() => change({ version: null })}>Clear</Button>}
      </div>
      <Loaded query={outcomes} lines={8}>
        {(metrics) => total(metrics.groups).count === 0 ? (
          <Panel>
            <Empty title="No requests in this range">
              {url === undefined ? null : <><p>Metrics begin with the first request:</p><CodeBlock label="command" text={`curl ${url}/`} /></>}
            </Empty>
          </Panel>
        ) : (
          <>
            <Panel title="Requests"><Requests metrics={metrics} subrequests={quantiles.data?.groups[0]?.subrequests} onRange={choose} /></Panel>
            <Panel title="How they ended" flush><Outcomes metrics={metrics} name={name} /></Panel>
            <Panel title="Time and memory" aside="Median, 90th and 99th percentile of an invocation"><Loaded query={quantiles}>{(data) => <Distribution metrics={data} onRange={choose} />}</Loaded></Panel>
            <Panel title="By version" flush>
              <Loaded query={byVersion}>
                {(data) => (
                  <Table
                    label="Versions" rows={data.groups} rowKey={(group) => group.key.version ?? ""}
                    columns={[
                      { label: "Version", primary: true, cell: (group) => label(group.key.version ?? "") },
                      { label: "Requests", align: "end", cell: (group) => formatCount(group.count) },
                      { label: "Failed", align: "end", cell: (group) => `${formatCount(group.failed)} (${formatShare(group.failed, group.count)})` },
                      { label: "CPU p50 / p99", align: "end", cell: (group) => group.cpu === undefined ? "–" : `${formatDuration(group.cpu.p50)} / ${formatDuration(group.cpu.p99)}` },
                      { label: "Wall p50 / p99", align: "end", cell: (group) => group.wall === undefined ? "–" : `${formatDuration(group.wall.p50)} / ${formatDuration(group.wall.p99)}` },
                      { label: "Subrequests", align: "end", cell: (group) => formatCount(group.subrequests ?? 0) },
                      { label: "Last", cell: (group) => <Time at={group.last} /> },
                    ]}
                  />
                )}
              </Loaded>
            </Panel>
          </>
        )}
      </Loaded>
    </>
  );
}

const COLOURS: Record<string, Series["colour"]> = { exception: "upstream", exceededCpu: "client", exceededMemory: "internal", internalError: "3", loadShed: "1" };

function Requests({ metrics, subrequests, onRange }: { metrics: InvocationMetrics; subrequests: number | undefined; onRange: (since: number, until: number) => void }) {
  const times = useMemo(() => steps(metrics), [metrics]);
  const sums = total(metrics.groups);
  const good = useMemo((): Series[] => {
    const columns = metrics.groups.map((group) => column(times, group.points ?? [], succeeded, 0));
    return [{ label: "Without failure", colour: "ok", values: times.map((_, index) => columns.reduce((sum, values) => sum + (values[index] ?? 0), 0)) }];
  }, [metrics, times]);
  const shown = useMemo(() => FAILURES.filter((outcome) => metrics.groups.some((group) => group.key.outcome === outcome)), [metrics]);
  const bad = useMemo(
    () => (shown.length === 0 ? ["exception"] : shown).map((outcome): Series => ({
      label: outcomeLabel(outcome), colour: COLOURS[outcome] ?? "1",
      values: column(times, metrics.groups.find((group) => group.key.outcome === outcome)?.points ?? [], (point) => point.failed, 0),
    })),
    [metrics, times, shown],
  );
  const failed = (outcome: string) => metrics.groups.find((group) => group.key.outcome === outcome)?.failed ?? 0;
  return (
    <div className="stack">
      <p className="number">
        <strong>{formatCount(sums.count)}</strong> {sums.count === 1 ? "request" : "requests"}, <strong>{formatCount(sums.failed)}</strong> failed ({formatShare(sums.failed, sums.count)}){subrequests === undefined ? "" : `, ${plural(subrequests, "subrequest")}`}.
      </p>
      <div className="columns">
        <Chart label="Requests without failure" kind="stacked-bars" unit="count" times={times} series={good} format={formatCompact} totals={[formatCount(succeeded(sums))]} onRange={onRange} sync="requests" />
        <Chart label="Failed requests by how they ended" kind="stacked-bars" unit="count" times={times} series={bad} format={formatCompact} totals={(shown.length === 0 ? ["exception"] : shown).map((outcome) => formatCount(failed(outcome)))} onRange={onRange} sync="requests" />
      </div>
    </div>
  );
}

function Outcomes({ metrics, name }: { metrics: InvocationMetrics; name: string }) {
  const all = total(metrics.groups).count;
  return (
    <Table
      label="Outcomes" rows={metrics.groups} rowKey={(group) => group.key.outcome ?? ""}
      columns={[
        { label: "Outcome", primary: true, cell: (group) => outcomeLabel(group.key.outcome ?? "") },
        { label: "Count", align: "end", cell: (group) => formatCount(group.count) },
        { label: "Share", align: "end", cell: (group) => formatShare(group.count, all) },
        { label: "Last seen", cell: (group) => <Time at={group.last} /> },
        { label: "What it means", wide: true, cell: (group) => <span className="muted">{OUTCOMES[group.key.outcome ?? ""]?.meaning}</span> },
        { label: "", align: "end", cell: (group) => <Link href={`/workers/${encodeURIComponent(name)}/logs?outcome=${group.key.outcome ?? ""}`}>Logs</Link> },
      ]}
    />
  );
}

const MEASURES = [["cpu", "CPU time", formatDuration], ["wall", "Wall time", formatDuration], ["memory", "Memory", formatBytes]] as const;
const QUANTILES = [["p50", "1"], ["p90", "2"], ["p99", "3"]] as const;

function Distribution({ metrics, onRange }: { metrics: InvocationMetrics; onRange: (since: number, until: number) => void }) {
  const times = useMemo(() => steps(metrics), [metrics]);
  return (
    <div className="columns three">
      {MEASURES.map(([measure, words, format]) => {
        const whole = metrics.groups[0]?.[measure];
        return (
          <div key={measure} className="stack tight">
            <h3>{words}</h3>
            {whole === undefined ? <p className="muted">Nothing measured in this range.</p> : <DistributionChart words={words} measure={measure} format={format} times={times} metrics={metrics} whole={whole} onRange={onRange} />}
          </div>
        );
      })}
    </div>
  );
}

function DistributionChart({ words, measure, format, times, metrics, whole, onRange }: { words: string; measure: "cpu" | "wall" | "memory"; format: (value: number) => string; times: readonly number[]; metrics: InvocationMetrics; whole: Quantiles; onRange: (since: number, until: number) => void }) {
  const series = useMemo(
    () => QUANTILES.map(([quantile, colour]): Series => ({ label: quantile, colour, values: column(times, metrics.groups[0]?.points ?? [], (point) => point[measure]?.[quantile] ?? null, null) })),
    [times, metrics, measure],
  );
  return <Chart label={words} kind="lines" times={times} series={series} format={format} totals={QUANTILES.map(([quantile]) => format(whole[quantile]))} onRange={onRange} sync="distribution" height={170} {...(measure === "memory" ? { unit: "bytes" as const } : {})} />;
}
