/** The reference of connection errors: searchable, one address per code. */

import { useEffect } from "react";
import { Link } from "wouter";
import { useConnectionMetrics, useErrorRows, useTunnels } from "../api/queries";
import { CATEGORIES, PHASES, type Category, type ErrorRow } from "../api/types";
import { formatCount, shortId } from "../model/format";
import { readRange } from "../model/time";
import { useAddress } from "../ui/address";
import { SelectInput, TextInput } from "../ui/controls";
import { CategoryName, CodeLink, Facts, PageHead, Panel, Time, useNow } from "../ui/page";
import { Empty, Loaded } from "../ui/states";
import { Table } from "../ui/table";
import { Sentence } from "../ui/words";

const WHOSE: Record<Category, string> = {
  "Bad Upstream": "the private service, its network or its configuration",
  Client: "the Worker or its configuration",
  Internal: "Culvert itself",
};

const CRUMB = { href: "/errors", label: "Connection errors" };

export default function Errors({ code }: { code?: string }) {
  const reference = useErrorRows();
  return (
    <>
      {code === undefined ? (
        <PageHead
          title="Connection errors"
          lead={<>A fetch to a private service that fails throws <code>ProxyError: CODE</code>. Each code says what failed; its category says whose fault it is. The names are those of RFC 9209.</>}
        />
      ) : (
        <PageHead title={code} crumb={CRUMB} lead={reference.data?.some((row) => row.code === code) ? <>A Worker sees <code>Error: ProxyError: {code}</code>.</> : undefined} />
      )}
      <Loaded query={reference} lines={10}>{(rows) => code === undefined ? <Reference rows={rows} /> : <OneCode code={code} rows={rows.filter((row) => row.code === code)} />}</Loaded>
    </>
  );
}

function Causes({ of: row }: { of: ErrorRow }) {
  return <ul className="causes">{row.causes.map((cause) => <li key={cause}><Sentence text={cause} /></li>)}</ul>;
}

function Reference({ rows }: { rows: readonly ErrorRow[] }) {
  const [params, change] = useAddress();
  const search = params.get("q") ?? "";
  const category = params.get("category") ?? "";
  const phase = params.get("phase") ?? "";
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = rows.filter((row) => {
    const text = `${row.code} ${row.code.replaceAll("_", " ")} ${row.category} ${row.meaning} ${row.causes.join(" ")} ${row.fix}`.toLowerCase();
    return words.every((word) => text.includes(word)) && (category === "" || row.category === category) && (phase === "" || row.phases.some((each) => each === phase));
  });
  return (
    <>
      <div className="filters">
        <TextInput label="Search" compact type="search" value={search} onChange={(q) => change({ q })} placeholder="Code or cause" />
        <SelectInput label="Category" compact value={category} onChange={(value) => change({ category: value })} options={[{ id: "", label: "All categories" }, ...CATEGORIES.map((id) => ({ id, label: id }))]} />
        <SelectInput label="Phase" compact value={phase} onChange={(value) => change({ phase: value })} options={[{ id: "", label: "All phases" }, ...PHASES.map((id) => ({ id, label: id }))]} />
      </div>
      <p className="visually-hidden" role="status">{fitting.length} of {rows.length} shown</p>
      {fitting.length === 0 ? <Panel><Empty title="No code fits" /></Panel> : CATEGORIES.filter((each) => fitting.some((row) => row.category === each)).map((each) => (
        <Panel key={each} title={each} aside={<>The fault of {WHOSE[each]}</>} flush>
          <Table
            label={each} rows={fitting.filter((row) => row.category === each)} rowKey={(row) => `${row.code} ${row.category}`}
            columns={[
              { label: "Code", primary: true, cell: (row) => <CodeLink code={row.code} /> },
              { label: "Phase", cell: (row) => row.phases.length === PHASES.length ? "any" : row.phases.join(", ") },
              { label: "What happened, and what brings it about", wide: true, cell: (row) => <><Sentence text={row.meaning} /><Causes of={row} /></> },
              { label: "What to do", wide: true, cell: (row) => <span className="muted"><Sentence text={row.fix} /></span> },
            ]}
          />
        </Panel>
      ))}
    </>
  );
}

function OneCode({ code, rows }: { code: string; rows: readonly ErrorRow[] }) {
  useEffect(() => {
    // Without handing on what it gives: in newer browsers that is a promise, which React would take for what undoes the effect.
    window.scrollTo(0, 0);
  }, [code]);
  if (rows.length === 0) {
    return <Panel><Empty title="There is no such code"><p><Link href={`/errors?q=${encodeURIComponent(code)}`}>Search the reference</Link></p></Empty></Panel>;
  }
  return (
    <>
      {rows.map((row) => (
        <Panel key={row.category} title={rows.length > 1 ? `As a ${row.category} failure` : "What it means"}>
          <Facts
            items={[
              ["What happened", <Sentence key="meaning" text={row.meaning} />],
              ["What brings it about", <Causes key="causes" of={row} />],
              ["What to do", <strong key="fix"><Sentence text={row.fix} /></strong>],
              ["Whose fault", <span key="whose"><CategoryName category={row.category} />: {WHOSE[row.category]}</span>],
              ["Phase", row.phases.length === PHASES.length ? "any" : row.phases.join(", ")],
              ["Status in Proxy-Status", String(row.status)],
            ]}
          />
        </Panel>
      ))}
      <Seen code={code} />
    </>
  );
}

/** Which services met it in the last day. */
function Seen({ code }: { code: string }) {
  const now = useNow();
  const metrics = useConnectionMetrics(readRange(new URLSearchParams({ range: "24h" }), now), { code, by: "service", points: false });
  return (
    <Panel title="Seen in the last 24 hours" flush>
      <Loaded query={metrics}>
        {(data) => data.groups.length === 0 ? <Empty title="Not once" /> : (
          <Table
            label="Services" rows={data.groups} rowKey={(group) => group.key.service ?? ""}
            columns={[
              { label: "Service", primary: true, cell: ({ key }) => <Where id={key.service ?? ""} name={key.service_name ?? ""} code={code} /> },
              { label: "Times", align: "end", cell: (group) => formatCount(group.count) },
              { label: "Last", cell: (group) => <Time at={group.last} /> },
            ]}
          />
        )}
      </Loaded>
    </Panel>
  );
}

/** A service; or a tunnel, whose own id has what goes to its whole network and to the host names that it publishes. */
function Where({ id, name, code }: { id: string; name: string; code: string }) {
  const tunnel = useTunnels().data?.find((each) => each.id === id);
  return tunnel === undefined
    ? <Link href={`/services/${id}?range=24h&code=${code}`}>{name === "" ? shortId(id) : name}</Link>
    : <Link href={`/tunnels/${id}/metrics?range=24h&code=${code}&service=${id}`}>{tunnel.name}, its network and published hosts</Link>;
}
