/** One Worker: which of its pages. */

import { Link, useParams } from "wouter";
import { useWorkers } from "../api/queries";
import { ButtonLink } from "../ui/controls";
import { PageHead, Panel, Tabs } from "../ui/page";
import { Empty, Loaded } from "../ui/states";
import { WorkerBindings } from "./worker-bindings";
import { WorkerDeployments } from "./worker-deployments";
import { WorkerLogs } from "./worker-logs";
import { WorkerMetrics } from "./worker-metrics";
import { WorkerSettings } from "./worker-settings";

export default function WorkerPage({ tab }: { tab: "metrics" | "logs" | "deployments" | "bindings" | "settings" }) {
  const { name = "" } = useParams();
  const workers = useWorkers();
  const base = `/workers/${encodeURIComponent(name)}`;
  const worker = workers.data?.find((item) => item.id === name);
  return (
    <>
      <PageHead
        title={name} crumb={{ href: "/workers", label: "Workers" }}
        lead={worker?.url === undefined ? undefined : <a href={worker.url} target="_blank" rel="noreferrer">{worker.url}</a>}
      />
      <Tabs
        label="This Worker"
        items={[
          { href: base, label: "Metrics" },
          { href: `${base}/logs`, label: "Logs" },
          { href: `${base}/deployments`, label: "Deployments" },
          { href: `${base}/bindings`, label: "Bindings" },
          { href: `${base}/settings`, label: "Settings" },
        ]}
      />
      <Loaded query={workers}>
        {() => {
          const missing = `There is no Worker ${name}, or no longer`;
          const kept = tab === "metrics" || tab === "logs";
          if (worker === undefined && !kept) return <Panel><Empty title={missing}><ButtonLink href="/workers">All Workers</ButtonLink></Empty></Panel>;
          return (
            <>
              {worker === undefined ? <div className="note warn"><p>{missing}. {tab === "logs" ? "Records" : "Metrics"} of one that had this name are here as long as they are kept. See <Link href="/workers">all Workers</Link>.</p></div> : null}
              {tab === "metrics" ? <WorkerMetrics name={name} url={worker?.url} />
                : tab === "logs" ? <WorkerLogs name={name} exists={worker !== undefined} />
                : tab === "deployments" ? <WorkerDeployments name={name} />
                : tab === "bindings" ? <WorkerBindings name={name} />
                : <WorkerSettings name={name} />}
            </>
          );
        }}
      </Loaded>
    </>
  );
}
