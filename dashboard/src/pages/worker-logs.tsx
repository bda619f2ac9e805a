/** A Worker's invocations: searched, live, and one of them in full. Every filter is in the address, the opened record too. */

import { useInvocations, usePinnedInvocation, useVersions, type Filters } from "../api/queries";
import type { Invocation, Subrequest } from "../api/types";
import { formatBytes, formatDuration, plural, shortId } from "../model/format";
import { OUTCOMES, outcomeLabel, type Health } from "../model/health";
import { useAddress, type Changes } from "../ui/address";
import { Button, CheckInput, SelectInput, TextInput } from "../ui/controls";
import { Disclosure } from "../ui/disclosure";
import { Older, usePages } from "../ui/older";
import { Badge, CodeLink, Facts, Panel, Time } from "../ui/page";
import { usePin } from "../ui/pin";
import { RangePicker, useRange } from "../ui/range";
import { LongText } from "../ui/scroll-region";
import { Empty, Loaded } from "../ui/states";
import { Sentence, Written } from "../ui/words";

const NAMES = ["q", "outcome", "status", "version", "ray", "min_cpu"];

/** The server searches by three characters and more. */
const SHORTEST_TEXT = 3;
const RAY = /^[0-9a-f]{16}$/;

/** `exists`: whether there may be new ones. */
export function WorkerLogs({ name, exists }: { name: string; exists: boolean }) {
  const { range } = useRange("24h");
  const [params, change] = useAddress();
  const filter = (changes: Changes) => change({ ...changes, pages: null });
  const live = params.get("live") !== "off" && range.preset !== null;
  const get = (field: string) => params.get(field) ?? "";
  const text = get("q").trim();
  const ray = get("ray").trim().toLowerCase();
  // While somebody is still typing, what is there already is shown as it was.
  const tooShort = text !== "" && text.length < SHORTEST_TEXT;
  const notRay = ray !== "" && !RAY.test(ray);
  const filters: Filters = { worker: name, q: tooShort ? "" : text, outcome: get("outcome"), status: get("status"), version: get("version"), ray_id: notRay ? "" : ray, min_cpu: get("min_cpu") };
  const records = useInvocations(range, filters, usePages(), live);
  const versions = useVersions(name);
  const [pin, setPin] = usePin("record");
  const pinned = usePinnedInvocation({ worker: name }, pin);
  const rows = records.data?.rows ?? [];
  // What is open stays there when newer ones push it out of the list, and when its address is opened much later.
  const shown = pinned === undefined || rows.some((row) => row.id === pinned.id) ? rows : [pinned, ...rows];
  // The only record of a ray opens by itself, until somebody closes it.
  const only = ray !== "" && !notRay && !params.has("record") && records.data?.rows.length === 1 ? records.data.rows[0]?.id : undefined;
  const open = pin?.id ?? only;
  const toggle = (row: Invocation) => {
    if (row.id === only) change({ record: "closed" });
    else setPin(row.id === open ? null : { id: row.id, at: row.eventTimestamp });
  };
  const filtered = NAMES.some((field) => get(field) !== "");
  return (
    <>
      <div className="filters">
        <RangePicker fallback="24h" />
        <TextInput label="Text" compact type="search" value={get("q")} onChange={(q) => filter({ q })} placeholder="URL, log, error" wrong={tooShort ? "Three characters or more." : undefined} />
        <SelectInput label="Outcome" compact value={get("outcome")} onChange={(outcome) => filter({ outcome })} options={[{ id: "", label: "Any outcome" }, { id: "error", label: "Any failure" }, ...Object.entries(OUTCOMES).map(([id, { label }]) => ({ id, label }))]} />
        <SelectInput label="Status" compact value={get("status")} onChange={(status) => filter({ status })} options={["", "2xx", "3xx", "4xx", "5xx"].map((id) => ({ id, label: id === "" ? "Any status" : id }))} />
        <SelectInput label="Version" compact value={get("version")} onChange={(version) => filter({ version })} options={[{ id: "", label: "All versions" }, ...(versions.data ?? []).map(({ id, number }) => ({ id, label: `#${number} (${shortId(id)})` }))]} />
        <TextInput label="Ray id" compact value={get("ray")} onChange={(value) => filter({ ray: value, record: pin?.id ?? null })} wrong={notRay ? "16 hexadecimal digits." : undefined} />
        <TextInput label="CPU over, ms" compact numeric value={get("min_cpu")} onChange={(value) => filter({ min_cpu: value.replace(/[^\d.]/g, "") })} />
        {filtered ? <Button look="plain" onPress={() => filter(Object.fromEntries([...NAMES, "record", "at"].map((field) => [field, null])))}>Clear</Button> : null}
      </div>
      <Panel
        title="Invocations"
        aside={<span className="row">{live ? <i className="live-dot" aria-hidden="true" /> : null}<CheckInput label="Live" value={live} disabled={range.preset === null} onChange={(value) => change({ live: value ? null : "off" })} /></span>}
      >
        <Loaded query={records} lines={8}>
          {(data) => (
            <div className="stack">
              {data.lost > 0 ? <p className="note warn">{plural(data.lost, "record")} of this range were not kept because there was too much to write. The metrics count them.</p> : null}
              {shown.length === 0 ? <Empty title={filtered ? "No invocation fits these filters" : "No invocations in this range"}>{filtered || !exists ? null : <p>They appear here a few seconds after the request.</p>}</Empty> : (
                <ul className="event-list">
                  {shown.map((row) => <InvocationRow key={row.id} row={row} open={open === row.id} onToggle={() => toggle(row)} />)}
                </ul>
              )}
              <Older list={data} busy={records.isFetchingNextPage} />
            </div>
          )}
        </Loaded>
      </Panel>
    </>
  );
}

function path(url: string): string {
  try {
    const parsed = new URL(url);
    return parsed.pathname + parsed.search;
  } catch {
    return url;
  }
}

function summary(row: Invocation): string {
  const request = row.event.request;
  const { cron, rpcMethod } = row.event;
  const head = request !== undefined ? `${request.method} ${path(request.url)}`
    : cron !== undefined ? `Cron ${cron}` : rpcMethod !== undefined ? `Call of ${rpcMethod}()` : row.eventType;
  const exception = row.exceptions[0];
  if (exception !== undefined) return `${head}: ${exception.name}: ${exception.message}`;
  // A body that breaks off ends the invocation without an exception in the Worker: the platform's own line says why.
  const line = row.outcome === "exception" ? row.logs.find(({ level, message: [first] }) => level === "warn" && typeof first === "string" && first.startsWith("ProxyError: "))?.message[0] : undefined;
  return typeof line === "string" ? `${head}: ${line}` : head;
}

/** How a row looks: by its outcome, and where the Worker answered, by the answer. */
function healthOf(row: Invocation): Health {
  const status = row.event.response?.status ?? 200;
  if (row.outcome !== "ok") return OUTCOMES[row.outcome]?.health ?? "idle";
  return status >= 500 ? "failing" : status >= 400 ? "degraded" : "healthy";
}

function InvocationRow({ row, open, onToggle }: { row: Invocation; open: boolean; onToggle: () => void }) {
  const body = `record-${row.id}`;
  const health = healthOf(row);
  return (
    <li className="event">
      <button type="button" className="event-head" aria-expanded={open} aria-controls={body} onClick={onToggle}>
        <span className="muted"><Time at={row.eventTimestamp} form="clock" /></span>
        <span className="row">
          <Badge health={health}>{row.outcome === "ok" ? (row.event.response?.status ?? "ok") : outcomeLabel(row.outcome)}</Badge>
        </span>
        <span className="event-detail"><Written text={summary(row)} /></span>
      </button>
      {open ? <div id={body} className="event-body stack"><Record row={row} /></div> : null}
    </li>
  );
}

function Record({ row }: { row: Invocation }) {
  const { request, response } = row.event;
  return (
    <>
      <Facts
        items={[
          ["When", <Time key="when" at={row.eventTimestamp} form="precise" />],
          ...(request === undefined ? [] : [["Request", <code key="request">{request.method} {request.url}</code>] as const]),
          ["Response", response === undefined ? "none" : String(response.status)],
          ["Outcome", <span key="outcome">{outcomeLabel(row.outcome)} <span className="muted">{OUTCOMES[row.outcome]?.meaning}</span></span>],
          ["Time", `${formatDuration(row.cpuTime)} CPU, ${formatDuration(row.wallTime)} wall`],
          ["Memory", formatBytes(row.memory)],
          ["Ray id", <code key="ray">{row.rayId}</code>],
          ["Version", <code key="version">{row.scriptVersion.id}</code>],
        ]}
      />
      {row.truncated ? <p className="note warn">Log data beyond 256 KB was cut.</p> : null}
      {row.exceptions.map((exception, index) => (
        <div key={index} className="note bad">
          <strong>{exception.name}: <Written text={exception.message} /></strong>
          {exception.connection === undefined ? null : <p><CodeLink code={exception.connection.code} />: <Sentence text={exception.connection.detail} /></p>}
          {exception.stack === undefined || exception.stack === "" ? null : <LongText label="Stack" text={exception.stack} />}
        </div>
      ))}
      <section aria-label="Console">
        <h3>Console</h3>
        {row.logs.length === 0 ? <p className="muted">Nothing was logged.</p> : row.logs.map((line, index) => (
          <div key={index} className="log-line">
            <span className="muted"><Time at={line.timestamp} form="clock" /></span>
            <span className={`level-${line.level}`}>{line.level}</span>
            <pre><Written text={line.message.map((part) => typeof part === "string" ? part : JSON.stringify(part, null, 1)).join(" ")} /></pre>
          </div>
        ))}
      </section>
      {row.subrequests.length === 0 ? null : (
        <section aria-label="Subrequests">
          <h3>Subrequests</h3>
          <Subrequests rows={row.subrequests} wall={row.wallTime} />
        </section>
      )}
      {request === undefined ? null : (
        <Disclosure name="headers" summary="Request headers">
          <Facts items={Object.entries(request.headers).map(([header, value]) => [header, <code key={header}>{value}</code>] as const)} />
        </Disclosure>
      )}
      <Disclosure name="json" summary="The record as JSON">
        <LongText label="The record as JSON" text={JSON.stringify(row, null, 2)} />
      </Disclosure>
    </>
  );
}

/** The code in `ProxyError: CODE`. */
function codeIn(error: string): string | null {
  return /^(?:ProxyError: )?([a-z]+(?:_[a-z]+)+)$/.exec(error)?.[1] ?? null;
}

function Subrequests({ rows, wall }: { rows: readonly Subrequest[]; wall: number }) {
  const scale = Math.max(wall, ...rows.map((row) => row.startedMs + row.durationMs), 0.001);
  return (
    <ul className="subrequests">
      {rows.map((row, index) => (
        <li key={index}>
          <div><strong>{row.target}</strong> <code>{row.method} {row.url}</code></div>
          <div className="track" aria-hidden="true"><span className={`bar ${row.error === undefined ? "" : "failed"}`} style={{ left: `${(row.startedMs / scale) * 100}%`, width: `max(3px, ${(row.durationMs / scale) * 100}%)` }} /></div>
          <div className="small">
            {row.error === undefined ? <span>Status {row.status ?? "unknown"}</span> : codeIn(row.error) !== null ? <CodeLink code={codeIn(row.error) ?? ""} /> : <span className="failed-words"><Sentence text={row.error} /></span>}
            <span className="muted">, {formatDuration(row.durationMs)}, {formatDuration(row.startedMs)} after the beginning</span>
          </div>
        </li>
      ))}
    </ul>
  );
}
