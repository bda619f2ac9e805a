/** A connection to one service, made now, phase by phase. What was asked, and when it ran, stand in the address; it runs only when the button is pressed. */

import { skipToken, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { fetchResult } from "../api/client";
import { useAccount, useErrorRows } from "../api/queries";
import type { Diagnosis, DiagnosisPhase, VpcService } from "../api/types";
import { formatDuration, shortId } from "../model/format";
import { httpPorts } from "../model/service";
import { isMoment } from "../model/time";
import { useAddress } from "../ui/address";
import { Button, SelectInput, TextInput } from "../ui/controls";
import { Disclosure } from "../ui/disclosure";
import { Badge, CategoryName, CodeLink, Facts, Panel, Time } from "../ui/page";
import { Failed, Loading } from "../ui/states";
import { Table } from "../ui/table";
import { Waterfall } from "../ui/waterfall";
import { Sentence } from "../ui/words";

/** By when it began: as long as this page is loaded, whoever comes back to its address finds it. */
const resultKey = (service: string, ran: number) => ["diagnosis", service, ran];

const ROOT = "/";

export function Diagnose({ service }: { service: VpcService }) {
  const account = useAccount();
  const queries = useQueryClient();
  const [params, change] = useAddress();
  const ports = httpPorts(service);
  const scheme = params.get("scheme") ?? (ports.http === null ? "https" : "http");
  const ownHost = service.host.hostname ?? service.host.ipv4 ?? service.host.ipv6 ?? "";
  const host = params.get("host") ?? ownHost;
  const path = params.get("path") ?? ROOT;
  const ran = Number(params.get("ran") ?? NaN);
  const kept = useQuery<Diagnosis>({ queryKey: resultKey(service.service_id, ran), queryFn: skipToken, staleTime: Infinity, gcTime: Infinity });
  const run = useMutation({
    mutationFn: () => fetchResult<Diagnosis>(account(`/connectivity/directory/services/${service.service_id}/diagnose`), {
      method: "POST", body: service.type === "http" ? { scheme, host, path } : {},
    }),
  });
  const start = () => run.mutate(undefined, {
    // Not called where somebody left meanwhile: the address is another page's then.
    onSuccess: (diagnosis) => {
      queries.setQueryData(resultKey(service.service_id, diagnosis.started_at), diagnosis);
      change(service.type === "http" ? { scheme, host, path, ran: String(diagnosis.started_at) } : { ran: String(diagnosis.started_at) });
    },
  });
  // What is shown is the answer to what is asked.
  const ask = (changes: Record<string, string>) => {
    run.reset();
    change({ ...changes, ran: null });
  };
  return (
    <>
      <Panel title="Connect now">
        <div className="stack">
          <p className="muted">Makes one connection through the tunnel, as a Worker's request would, and says how far it comes. Nothing is changed.</p>
          {service.type === "http" ? (
            <div className="form-grid">
              <SelectInput label="Scheme" value={scheme} onChange={(value) => ask({ scheme: value })} options={[...(ports.http === null ? [] : [{ id: "http", label: `http, port ${ports.http}` }]), ...(ports.https === null ? [] : [{ id: "https", label: `https, port ${ports.https}` }])]} />
              <TextInput label="Host" value={params.get("host") ?? ""} placeholder={ownHost} onChange={(value) => ask({ host: value })} hint="Sent as Host and SNI." />
              <TextInput label="Path" value={params.get("path") ?? ""} placeholder={ROOT} onChange={(value) => ask({ path: value })} />
            </div>
          ) : null}
          <div><Button look="primary" isDisabled={run.isPending} onPress={start}>{run.isPending ? "Connecting…" : isMoment(ran) ? "Diagnose again" : "Diagnose"}</Button></div>
        </div>
      </Panel>
      <div aria-live="polite">
        {run.isPending ? <Panel><Loading /></Panel>
          : run.error ? <Failed error={run.error} />
          : kept.data !== undefined ? <Result diagnosis={kept.data} />
          : isMoment(ran) ? <div className="note"><p>It was diagnosed <Time at={ran} /> with what stands above. What came of it is not kept: diagnose again to see how far a connection comes now.</p></div>
          : null}
      </div>
    </>
  );
}

function Result({ diagnosis }: { diagnosis: Diagnosis }) {
  const reference = useErrorRows();
  const { error } = diagnosis;
  const row = error === undefined ? undefined : reference.data?.find((item) => item.code === error.code && item.category === error.category);
  const timings = Object.fromEntries(diagnosis.phases.filter((phase) => phase.state !== "skipped" && phase.duration !== undefined).map((phase) => [phase.phase, phase.duration]));
  return (
    <div className="stack">
      <div className={`note ${diagnosis.ok ? "ok" : "bad"}`}>
        {error === undefined ? <strong>It answers, after {formatDuration(diagnosis.duration)}.</strong> : (
          <>
            <div className="row"><strong><CodeLink code={error.code} /></strong><CategoryName category={error.category} /></div>
            <p><Sentence text={error.detail} /></p>
            {row === undefined ? null : <p><strong>What to do:</strong> <Sentence text={row.fix} /></p>}
          </>
        )}
      </div>
      <Panel title="Phases" aside={<Time at={diagnosis.started_at} form="clock" />}>
        <div className="stack">
          <Waterfall attempt={{ timings, phases: diagnosis.phases.map(({ phase }) => phase), reused: false, ...(error === undefined ? {} : { code: error.code, phase: error.phase }) }} />
          <ol className="phase-list">{diagnosis.phases.map((phase) => <PhaseRow key={phase.phase} phase={phase} />)}</ol>
        </div>
      </Panel>
      {diagnosis.connectors.length === 0 ? null : (
        <Panel title="The same through each connector" flush>
          <Table
            label="Connectors" rows={diagnosis.connectors} rowKey={(each) => each.connector}
            columns={[
              { label: "Connector", primary: true, cell: (each) => <code title={each.connector}>{shortId(each.connector)}</code> },
              { label: "Version", cell: (each) => each.version },
              { label: "Result", cell: (each) => <Badge health={each.ok ? "healthy" : "failing"}>{each.ok ? "Connected" : "Failed"}</Badge> },
              { label: "Detail", wide: true, cell: (each) => each.error ? <><CodeLink code={each.error.code} /> <Sentence text={each.error.detail} /></> : "" },
            ]}
          />
        </Panel>
      )}
    </div>
  );
}

const MARKS = { ok: "✓", failed: "✗", skipped: "–" } as const;
const WORDS = { ok: "done", failed: "failed", skipped: "not reached" } as const;

function PhaseRow({ phase }: { phase: DiagnosisPhase }) {
  const { chain, ...facts } = phase.facts ?? {};
  const rows = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined);
  return (
    <li>
      <span className={`phase-mark ${phase.state}`} aria-hidden="true">{MARKS[phase.state]}</span>
      <div className="stack tight">
        <div><strong>{phase.phase}</strong> <span className="muted">{WORDS[phase.state]}{phase.duration === undefined || phase.state === "skipped" ? "" : `, ${formatDuration(phase.duration)}`}</span></div>
        {phase.detail === undefined ? null : <p><Sentence text={phase.detail} /></p>}
        {rows.length === 0 && !Array.isArray(chain) ? null : (
          <Disclosure name={`facts-${phase.phase}`} summary="Facts">
            <Facts items={rows.map(([name, value]) => [name.replaceAll("_", " "), <Sentence key={name} text={Array.isArray(value) ? value.join(", ") : typeof value === "string" ? value : JSON.stringify(value)} />] as const)} />
            {Array.isArray(chain) ? chain.map((certificate: Record<string, unknown>, index) => (
              <div key={index} className="note">
                <strong>{index === 0 ? "The service's certificate" : "Its issuer's certificate"}</strong>
                <Facts items={[
                  ["Subject", String(certificate.subject)],
                  ["Names", Array.isArray(certificate.names) ? certificate.names.join(", ") : "none"],
                  ["Issuer", String(certificate.issuer)],
                  ["Valid from", <Time key="from" at={String(certificate.not_before)} form="full" />],
                  ["Valid until", <Time key="until" at={String(certificate.not_after)} form="full" />],
                ]} />
              </div>
            )) : null}
          </Disclosure>
        )}
        {phase.state === "failed" && phase.phase === "dns" ? <Link href="/errors/dns_error">About DNS errors</Link> : null}
      </div>
    </li>
  );
}
