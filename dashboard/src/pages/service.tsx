/** One VPC Service: its metrics, settings, who uses it, and a connection made now. */

import { Fragment, useState } from "react";
import { Link, useParams } from "wouter";
import { ApiFailure, fetchResult } from "../api/client";
import { useAccount, useRefresh, useService, useServiceReferences, useSession, useTunnels } from "../api/queries";
import type { VpcService, VpcServiceSpec } from "../api/types";
import { serviceHealth } from "../model/health";
import { may } from "../model/permissions";
import { draftOf, hostText, portsText, tunnelOf } from "../model/service";
import { Button, ButtonLink, CodeBlock, CopyButton } from "../ui/controls";
import { ConfirmDialog, useDialog } from "../ui/dialog";
import { Badge, Facts, PageHead, Panel, Tabs, Time } from "../ui/page";
import { Empty, Loaded } from "../ui/states";
import { Table } from "../ui/table";
import { tell } from "../ui/toasts";
import { Sentence } from "../ui/words";
import { useNamed } from "./names";
import { Diagnose } from "./service-diagnose";
import { ServiceForm } from "./service-form";
import { ServiceMetrics } from "./service-metrics";

const CRUMB = { href: "/services", label: "VPC Services" };

export default function Service({ tab }: { tab: "metrics" | "settings" | "used-by" | "diagnose" }) {
  const { id = "" } = useParams();
  const service = useService(id);
  const tunnels = useTunnels();
  const tunnelId = service.data === undefined ? undefined : tunnelOf(service.data);
  const tunnel = tunnels.data === undefined || tunnelId === undefined ? undefined : (tunnels.data.find((item) => item.id === tunnelId) ?? null);
  const down = serviceHealth(tunnel, undefined);
  if (service.error instanceof ApiFailure && service.error.isMissing) {
    return (
      <>
        <PageHead title="VPC Service" crumb={CRUMB} />
        <Panel><Empty title="There is no such VPC Service, or no longer"><p><Sentence text={service.error.message} /></p><ButtonLink href="/services">All VPC Services</ButtonLink></Empty></Panel>
      </>
    );
  }
  return (
    <>
      <PageHead
        title={service.data?.name ?? "VPC Service"} crumb={CRUMB}
        badge={down.health === "down" ? <Badge health="down">{down.words}</Badge> : null}
        lead={service.data === undefined ? undefined : (
          <>{service.data.type.toUpperCase()} · <code>{hostText(service.data)}</code> · {portsText(service.data)}
            {tunnel ? <> · through <Link href={`/tunnels/${tunnel.id}`}>{tunnel.name}</Link></> : null}</>
        )}
      />
      <Tabs
        label="This service"
        items={[
          { href: `/services/${id}`, label: "Metrics" },
          { href: `/services/${id}/settings`, label: "Settings" },
          { href: `/services/${id}/used-by`, label: "Used by" },
          { href: `/services/${id}/diagnose`, label: "Diagnose" },
        ]}
      />
      <Loaded query={service}>
        {(data) => tab === "metrics" ? <ServiceMetrics service={data} />
          : tab === "settings" ? <Settings key={data.service_id} service={data} />
          : tab === "used-by" ? <UsedBy service={data} />
          : <Diagnose key={data.service_id} service={data} />}
      </Loaded>
    </>
  );
}

const EDITED: readonly (keyof VpcService)[] = ["name", "type", "host", "http_port", "https_port", "tcp_port", "app_protocol", "tls_settings", "policy", "service_id", "created_at", "updated_at"];

/** What the server knows of a service and the form does not: it goes back as it came, since a replacement replaces everything but a policy that it does not mention. */
function unedited(service: VpcService): Partial<VpcServiceSpec> {
  return Object.fromEntries(Object.entries(service).filter(([name]) => !(EDITED as readonly string[]).includes(name)));
}

function Settings({ service }: { service: VpcService }) {
  const session = useSession();
  const account = useAccount();
  const refresh = useRefresh();
  const deleting = useDialog("delete");
  const named = useNamed(`VPC Service "${service.name}"`);
  // What the form began with. What somebody else changes meanwhile is told of, and does not take away what is being typed.
  const [base, setBase] = useState(service);
  const [generation, setGeneration] = useState(0);
  const path = account(`/connectivity/directory/services/${service.service_id}`);
  const admin = may(session, "connectivity-directory.admin");
  const save = async (spec: VpcServiceSpec) => {
    setBase(await fetchResult<VpcService>(path, { method: "PUT", body: { ...unedited(service), policy: null, ...spec } }));
    await refresh("services");
    tell("Saved. The next request uses it.");
  };
  const remove = async () => {
    await fetchResult(path, { method: "DELETE" });
    tell(`Deleted ${service.name}.`);
  };
  const leave = () => {
    deleting.done("/services");
    void refresh("services");
  };
  return (
    <>
      <Panel title="Service">
        <Facts
          items={[
            ["Service id", <span className="row" key="id"><code>{service.service_id}</code><CopyButton text={service.service_id} label="service id" /></span>],
            ["Created", <Time key="created" at={service.created_at} form="full" />],
            ["Changed", <Time key="changed" at={service.updated_at} form="full" />],
          ]}
        />
      </Panel>
      <Panel title="Settings" aside={admin ? undefined : "Your token may look, not change."}>
        <div className="stack">
          {service.updated_at > base.updated_at ? (
            <div className="note warn"><p>This service was changed elsewhere after you opened this page.</p><div><Button small onPress={() => { setBase(service); setGeneration(generation + 1); }}>Show the new values</Button></div></div>
          ) : null}
          <ServiceForm key={generation} initial={draftOf(base)} action="Save" onSubmit={save} disabled={!admin} />
        </div>
      </Panel>
      {admin ? (
        <Panel title="Delete">
          <div className="row">
            <Button look="danger" onPress={() => deleting.open()}>Delete this service</Button>
            <span className="muted"><Binders service={service.service_id} /></span>
          </div>
          <ConfirmDialog title={`Delete ${service.name}?`} action="Delete" typed={service.name} named={named} open={deleting.of !== null} onClose={deleting.close} onConfirm={remove} onDone={leave}>
            <p>Its registration is removed. Its metrics stay until they are too old to be kept.</p>
          </ConfirmDialog>
        </Panel>
      ) : null}
    </>
  );
}

/** Who stands in the way of deleting a service. */
function Binders({ service }: { service: string }) {
  const references = useServiceReferences(service);
  const workers = [...new Set((references.data ?? []).map((reference) => reference.worker))];
  if (references.data === undefined) return "Refused while deployed Workers bind it.";
  if (workers.length === 0) return "No deployed Worker binds it.";
  return <>Refused while deployed Workers bind it: {workers.map((worker, index) => <Fragment key={worker}>{index === 0 ? "" : ", "}<Link href={`/workers/${encodeURIComponent(worker)}/bindings`}>{worker}</Link></Fragment>)}.</>;
}

function UsedBy({ service }: { service: VpcService }) {
  const references = useServiceReferences(service.service_id);
  const host = service.host.hostname ?? "inventory.internal";
  const binding = service.name.toUpperCase().replace(/[^A-Z0-9]+/g, "_") || "SERVICE";
  return (
    <>
      <Panel title="Workers that are bound to it" flush>
        <Loaded query={references}>
          {(rows) => rows.length === 0 ? <Empty title="No deployed Worker is bound to it"><p>Bind it as below, and deploy.</p></Empty> : (
            <Table
              label="Workers" rows={rows} rowKey={(row) => `${row.worker} ${row.binding} ${row.version_id}`}
              columns={[
                { label: "Worker", primary: true, cell: (row) => <Link href={`/workers/${encodeURIComponent(row.worker)}/bindings`}>{row.worker}</Link> },
                { label: "Binding", cell: (row) => <code>env.{row.binding}</code> },
                { label: "Version", cell: (row) => <code>{row.version_id.slice(0, 8)}</code> },
                { label: "Traffic", align: "end", cell: (row) => `${row.percentage} %` },
              ]}
            />
          )}
        </Loaded>
      </Panel>
      <Panel title="Bind a Worker to it">
        <div className="stack">
          <p>In <code>wrangler.jsonc</code>:</p>
          <CodeBlock label="wrangler configuration" text={`"vpc_services": ${JSON.stringify([{ binding, service_id: service.service_id }], null, 2)}`} />
          {service.type === "http" ? (
            <>
              <p>In the Worker. The host becomes <code>Host</code> and SNI; where the request goes is this registration's business:</p>
              <CodeBlock label="Worker code" text={`const response = await env.${binding}.fetch("http://${host}/");`} />
            </>
          ) : (
            <>
              <p>In the Worker:</p>
              <CodeBlock label="Worker code" text={`const socket = env.${binding}.connect("${host}:${service.tcp_port ?? 5432}");`} />
            </>
          )}
        </div>
      </Panel>
    </>
  );
}
