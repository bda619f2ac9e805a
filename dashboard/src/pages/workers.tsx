/** The list of Workers, with how their latest invocations went. */

import { Link } from "wouter";
import { useInvocationMetrics, useWorkers } from "../api/queries";
import { succeeded } from "../model/counts";
import { formatCount, formatDuration, formatShare } from "../model/format";
import { readRange } from "../model/time";
import { useAddress } from "../ui/address";
import { CodeBlock, TextInput } from "../ui/controls";
import { PageHead, Panel, Time, useNow } from "../ui/page";
import { Sparkline } from "../ui/sparkline";
import { Empty, Failed, Loaded } from "../ui/states";
import { Table } from "../ui/table";

export default function Workers() {
  const workers = useWorkers();
  const now = useNow();
  const metrics = useInvocationMetrics(readRange(new URLSearchParams({ range: "6h" }), now), { by: "worker", limit: 1000 });
  const quantiles = useInvocationMetrics(readRange(new URLSearchParams({ range: "6h" }), now), { by: "worker", limit: 1000, quantiles: true, points: false });
  const [params, change] = useAddress();
  const search = params.get("q") ?? "";
  const groups = new Map((metrics.data?.groups ?? []).map((group) => [group.key.worker, group]));
  const times = new Map((quantiles.data?.groups ?? []).map((group) => [group.key.worker, group]));
  return (
    <>
      <PageHead title="Workers" lead="JavaScript that answers requests. Deployed with wrangler or culvert deploy." />
      {metrics.error && workers.data !== undefined ? <Failed error={metrics.error} onRetry={() => void metrics.refetch()} /> : null}
      <Loaded query={workers}>
        {(all) => {
          if (all.length === 0) {
            return (
              <Panel>
                <Empty title="No Workers yet">
                  <p>Deploy one with wrangler, which needs no change:</p>
                  <CodeBlock label="commands" text={`export CLOUDFLARE_API_BASE_URL=${window.location.origin}/client/v4\nexport CLOUDFLARE_API_TOKEN=… CLOUDFLARE_ACCOUNT_ID=local\nnpx wrangler deploy`} />
                </Empty>
              </Panel>
            );
          }
          const rows = all.filter((worker) => worker.id.toLowerCase().includes(search.toLowerCase())).sort((a, b) => a.id.localeCompare(b.id));
          return (
            <>
              <div className="filters"><TextInput label="Search" compact type="search" value={search} onChange={(q) => change({ q })} placeholder="Name" /></div>
              <Panel flush>
                {rows.length === 0 ? <Empty title="No Worker has such a name" /> : (
                  <Table
                    label="Workers" rows={rows} rowKey={(worker) => worker.id}
                    columns={[
                      { label: "Name", primary: true, cell: (worker) => <Link href={`/workers/${encodeURIComponent(worker.id)}`}>{worker.id}</Link> },
                      { label: "Address", cell: (worker) => <a href={worker.url} target="_blank" rel="noreferrer">{worker.url.replace(/^https?:\/\//, "")}</a> },
                      { label: "Requests, 6 h", align: "end", cell: (worker) => formatCount(groups.get(worker.id)?.count ?? 0) },
                      { label: "Success", align: "end", cell: (worker) => { const group = groups.get(worker.id); return group === undefined ? <span className="muted">–</span> : formatShare(succeeded(group), group.count); } },
                      { label: "CPU, p50", align: "end", cell: (worker) => { const cpu = times.get(worker.id)?.cpu; return cpu === undefined ? <span className="muted">–</span> : formatDuration(cpu.p50); } },
                      { label: "Last 6 hours", cell: (worker) => metrics.data === undefined ? null : <Sparkline range={metrics.data} points={groups.get(worker.id)?.points ?? []} label="Requests" /> },
                      { label: "Changed", cell: (worker) => <Time at={worker.modified_on} /> },
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
