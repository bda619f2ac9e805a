/** What serves a Worker's requests now and did before: versions, the split between them, going back. */

import { useState } from "react";
import { ApiFailure, fetchResult } from "../api/client";
import { useAccount, useDeployments, useRefresh, useSession, useVersions } from "../api/queries";
import type { Deployment, Version } from "../api/types";
import { shortId } from "../model/format";
import { may } from "../model/permissions";
import { shareOf, split, versionMessage, versionTag } from "../model/worker";
import { Button, CheckInput, TextInput } from "../ui/controls";
import { DialogFrame, useDialog } from "../ui/dialog";
import { Badge, Panel, Time } from "../ui/page";
import { Empty, Failed, Loaded } from "../ui/states";
import { Table } from "../ui/table";
import { tell } from "../ui/toasts";

export function WorkerDeployments({ name }: { name: string }) {
  const versions = useVersions(name);
  const deployments = useDeployments(name);
  return <Loaded query={versions} lines={10}>{(all) => <Loaded query={deployments} lines={10}>{(made) => <History name={name} versions={all} deployments={made} />}</Loaded>}</Loaded>;
}

/** `deployments`: newest first. */
function History({ name, versions, deployments }: { name: string; versions: readonly Version[]; deployments: readonly Deployment[] }) {
  const session = useSession();
  const deploying = useDialog("deploy");
  const edit = may(session, "workers-scripts.edit");
  const chosen = edit ? versions.find((version) => version.id === deploying.of) : undefined;
  const numbers = new Map(versions.map((version) => [version.id, version.number]));
  const words = (id: string) => { const number = numbers.get(id); return number === undefined ? shortId(id) : `#${number}`; };
  const [now] = deployments;
  // Going back is deploying what is older than all that is in force.
  const oldest = Math.min(...(now?.versions ?? []).map((item) => numbers.get(item.version_id) ?? Infinity));
  const action = (version: Version) => (version.number < oldest ? "Roll back" : "Deploy");
  const verb = (version: Version) => (version.number < oldest ? "Roll back to" : "Deploy");
  return (
    <>
      <Panel title="In force now">
        {now === undefined ? <Empty title="Nothing is deployed" /> : (
          <div className="stack">
            {now.versions.length < 2 ? null : (
              <div className="split" aria-hidden="true">{now.versions.map((item) => <span key={item.version_id} style={{ flexGrow: item.percentage }}>{words(item.version_id)}</span>)}</div>
            )}
            <p>
              {now.versions.map((item, index) => <span key={item.version_id}>{index > 0 ? ", " : ""}<strong>{item.percentage} %</strong> version {words(item.version_id)} <code className="muted">{shortId(item.version_id)}</code></span>)}
            </p>
            <p className="muted">Since <Time at={now.created_on} form="full" />, by {who(now)}{now.annotations["workers/message"] === undefined ? "" : `: ${now.annotations["workers/message"]}`}</p>
          </div>
        )}
      </Panel>
      <Panel title="Versions" flush>
        <Table
          label="Versions" rows={[...versions].sort((a, b) => b.number - a.number)} rowKey={(version) => version.id}
          columns={[
            { label: "Version", primary: true, cell: (version) => <>#{version.number} <code className="muted" title={version.id}>{shortId(version.id)}</code></> },
            { label: "Traffic", cell: (version) => { const share = shareOf(version.id, deployments); return share > 0 ? <Badge health="healthy">{share} %</Badge> : <span className="muted">none</span>; } },
            { label: "Made", cell: (version) => <Time at={version.metadata.created_on} /> },
            { label: "By", cell: (version) => `${version.metadata.author_id} (${version.metadata.source})` },
            { label: "Message", wide: true, cell: (version) => versionTag(version) === "" ? versionMessage(version) : <><Badge health="none">{versionTag(version)}</Badge> {versionMessage(version)}</> },
            { label: "", align: "end", cell: (version) => edit && shareOf(version.id, deployments) < 100 ? <Button small aria-label={`${verb(version)} version ${version.number}`} onPress={() => deploying.open(version.id)}>{action(version)}</Button> : null },
          ]}
        />
      </Panel>
      <Panel title="Deployments" flush>
        <Table
          label="Deployments" rows={deployments} rowKey={(deployment) => deployment.id}
          columns={[
            { label: "When", primary: true, cell: (deployment) => <Time at={deployment.created_on} form="full" /> },
            { label: "Versions", cell: (deployment) => deployment.versions.map((item) => `${item.percentage} % ${words(item.version_id)}`).join(", ") },
            { label: "Why", cell: (deployment) => deployment.annotations["workers/triggered_by"] ?? "" },
            { label: "By", cell: who },
            { label: "Message", wide: true, cell: (deployment) => deployment.annotations["workers/message"] ?? "" },
          ]}
        />
      </Panel>
      <DialogFrame title={chosen === undefined ? "" : `${verb(chosen)} version #${chosen.number}`} open={chosen !== undefined} onClose={deploying.close}>
        {chosen === undefined ? null : <DeployForm name={name} version={chosen} action={action(chosen)} deployments={deployments} words={words} onCancel={deploying.close} onDone={() => deploying.done()} />}
      </DialogFrame>
    </>
  );
}

/** Who made a deployment, and with what: `admin (api)`. */
function who(deployment: Deployment): string {
  const author = deployment.author_email.replace(/@localhost$/, "");
  return author === "" ? deployment.source : `${author} (${deployment.source})`;
}

/** The refusal of a version that has other secrets than the newest one in force. */
const SECRETS_CHANGED = 10220;

/** The names of the secrets that such a refusal ends in. */
function changedSecrets(failure: unknown): string | null {
  const item = failure instanceof ApiFailure ? failure.errors.find(({ code }) => code === SECRETS_CHANGED) : undefined;
  return item === undefined ? null : item.message.slice(item.message.lastIndexOf(":") + 1).trim();
}

/** `action`: the words of the button that does it. */
function DeployForm({ name, version, action, deployments, words, onCancel, onDone }: { name: string; version: Version; action: string; deployments: readonly Deployment[]; words: (id: string) => string; onCancel: () => void; onDone: () => void }) {
  const account = useAccount();
  const refresh = useRefresh();
  const [percentage, setPercentage] = useState("100");
  const [message, setMessage] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  // Secrets that would be again what they were before: whoever changed them has to want that.
  const [secrets, setSecrets] = useState<string | null>(null);
  const [despite, setDespite] = useState(false);
  const number = Number(percentage);
  const valid = percentage.trim() !== "" && number > 0 && number <= 100;
  const versions = valid ? split(version.id, number, deployments) : [];
  const deploy = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await fetchResult(account(`/workers/scripts/${encodeURIComponent(name)}/deployments`), {
        method: "POST", query: despite ? { force: true } : {}, body: { strategy: "percentage", versions, annotations: message.trim() === "" ? {} : { "workers/message": message.trim() } },
      });
      await refresh("deployments", "versions", "workers");
      tell("Deployed. Every request from now on sees it.");
      onDone();
    } catch (error) {
      const changed = changedSecrets(error);
      setSecrets(changed);
      setFailure(changed === null ? error : null);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <TextInput label="Share of the requests, in percent" numeric value={percentage} onChange={setPercentage} wrong={valid ? undefined : "A number above 0, at most 100."} autoFocus />
      {valid ? <p className="muted">{versions.map((item) => `${item.percentage} % to ${words(item.version_id)}`).join(", ")}.</p> : null}
      <TextInput label="Message" value={message} onChange={setMessage} placeholder="Why" />
      {failure === null ? null : <Failed error={failure} />}
      {secrets === null ? null : (
        <div className="note warn" role="alert">
          <p>Secrets have changed since this version: {secrets}. It comes back with those that it had.</p>
          <CheckInput label="Bring the old secrets back" value={despite} onChange={setDespite} />
        </div>
      )}
      <div className="dialog-actions">
        <Button onPress={onCancel}>Cancel</Button>
        <Button look="primary" isDisabled={!valid || busy || (secrets !== null && !despite)} onPress={() => void deploy()}>{action}</Button>
      </div>
    </>
  );
}
