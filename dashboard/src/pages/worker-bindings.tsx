/** What a Worker's `env` has: private services, networks, Workers, variables, secrets. */

import { Link } from "wouter";
import { useServices, useTunnels, useWorkerSettings } from "../api/queries";
import type { Binding } from "../api/types";
import { shortId } from "../model/format";
import { bindingKind, variableText } from "../model/worker";
import { CodeBlock } from "../ui/controls";
import { Panel } from "../ui/page";
import { Empty, Loaded } from "../ui/states";
import { Table } from "../ui/table";

export function WorkerBindings({ name }: { name: string }) {
  const settings = useWorkerSettings(name);
  const services = useServices();
  const tunnels = useTunnels();
  const value = (binding: Binding) => {
    switch (binding.type) {
      case "vpc_service": {
        const service = services.data?.find((item) => item.service_id === binding.service_id);
        return <Link href={`/services/${binding.service_id ?? ""}`}>{service?.name ?? shortId(binding.service_id ?? "")}</Link>;
      }
      case "vpc_network": {
        if (binding.tunnel_id === undefined) return <code>{binding.network_id}</code>;
        return <>Everything behind <Link href={`/tunnels/${binding.tunnel_id}`}>{tunnels.data?.find((item) => item.id === binding.tunnel_id)?.name ?? shortId(binding.tunnel_id)}</Link></>;
      }
      case "service":
        return <><Link href={`/workers/${encodeURIComponent(binding.service ?? "")}`}>{binding.service}</Link>{binding.entrypoint === undefined ? null : <> ({binding.entrypoint})</>}</>;
      case "secret_text":
        return <span className="muted">never shown</span>;
      case "plain_text":
      case "json":
        return <code>{variableText(binding)}</code>;
      default:
        return null;
    }
  };
  return (
    <Panel title="Bindings" aside={<>Variables and secrets are changed under <Link href={`/workers/${encodeURIComponent(name)}/settings`}>Settings</Link>; the others by deploying.</>} flush>
      <Loaded query={settings}>
        {(data) => data.bindings.length === 0 ? (
          <Empty title="This Worker has no bindings">
            <p>Bind a private service in <code>wrangler.jsonc</code>, and deploy:</p>
            <CodeBlock label="wrangler configuration" text={'"vpc_services": [{ "binding": "API", "service_id": "…" }]'} />
          </Empty>
        ) : (
          <Table
            label="Bindings" rows={data.bindings} rowKey={(binding) => binding.name}
            columns={[
              { label: "Name", primary: true, cell: (binding) => <code>env.{binding.name}</code> },
              { label: "Kind", cell: bindingKind },
              { label: "Value", cell: value },
            ]}
          />
        )}
      </Loaded>
    </Panel>
  );
}
