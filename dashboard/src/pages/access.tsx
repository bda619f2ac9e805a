/** Who may do what, and who did what: API tokens and the audit log. */

import { useState, type SyntheticEvent } from "react";
import { ApiFailure, fetchResult } from "../api/client";
import { useAccount, useAudit, usePermissionGroups, useRefresh, useSession, useTokens } from "../api/queries";
import type { ApiToken, AuditEntry } from "../api/types";
import { may } from "../model/permissions";
import { formatUtcMinute, ZONE } from "../model/time";
import { useAddress } from "../ui/address";
import { Button, CheckInput, CodeBlock, SelectInput, TextInput } from "../ui/controls";
import { ConfirmDialog, DialogFrame, useDialog } from "../ui/dialog";
import { Older, usePages } from "../ui/older";
import { Badge, PageHead, Panel, Tabs, Time } from "../ui/page";
import { LongText } from "../ui/scroll-region";
import { Empty, Failed, Loaded } from "../ui/states";
import { Table } from "../ui/table";
import { tell } from "../ui/toasts";
import { Sentence } from "../ui/words";

export default function Access({ tab }: { tab: "tokens" | "audit" }) {
  const session = useSession();
  return (
    <>
      <PageHead title="Access" lead="Who may do what, and who did what." />
      <Tabs label="Access" items={[{ href: "/access/tokens", label: "API tokens" }, { href: "/access/audit", label: "Audit log" }]} />
      {may(session, "api-tokens.edit") ? (tab === "tokens" ? <Tokens /> : <Audit />) : (
        <Panel><Empty title="Your token does not show this"><p>It lacks the permission API Tokens Edit. Sign in with a token that has it.</p></Empty></Panel>
      )}
    </>
  );
}

const STATUS = { active: ["healthy", "Active"], expired: ["idle", "Expired"], disabled: ["down", "Revoked"] } as const;

function Tokens() {
  const session = useSession();
  const account = useAccount();
  const refresh = useRefresh();
  const tokens = useTokens();
  const groups = usePermissionGroups();
  const creating = useDialog("create-token");
  const revoking = useDialog("revoke-token");
  const revoked = tokens.data?.find((token) => token.id === revoking.of && token.status === "active");
  const label = (key: string) => groups.data?.find((group) => group.id === key)?.name ?? key;
  return (
    <Panel title="API tokens" aside={<Button small onPress={() => creating.open()}>Create a token</Button>} flush>
      <Loaded query={tokens}>
        {(all) => (
          <Table
            label="API tokens" rows={[...all].sort((a, b) => b.issued_on.localeCompare(a.issued_on))} rowKey={(token) => token.id}
            columns={[
              { label: "Name", primary: true, cell: (token) => <span>{token.name}{token.id === session.token_id ? <span className="muted plain-weight"> (this session)</span> : null}</span> },
              { label: "State", cell: (token) => { const [health, words] = STATUS[token.status]; return <Badge health={health}>{words}</Badge>; } },
              { label: "Permissions", wide: true, cell: (token) => token.permissions.length === groups.data?.length ? "All" : <span className="small">{token.permissions.map(label).join(", ")}</span> },
              { label: "Last used", cell: (token) => <Time at={token.last_used_on} /> },
              { label: "Expires", cell: (token) => token.expires_on === null ? "never" : <Time at={token.expires_on} form="short" /> },
              { label: "Made", cell: (token) => <Time at={token.issued_on} /> },
              { label: "", align: "end", cell: (token) => token.status === "active" ? <Button small look="danger" aria-label={`Revoke ${token.name}`} onPress={() => revoking.open(token.id)}>Revoke</Button> : null },
            ]}
          />
        )}
      </Loaded>
      <DialogFrame title="Create an API token" open={creating.of !== null} onClose={creating.close}>
        <NewToken onCancel={creating.close} onDone={() => creating.done()} />
      </DialogFrame>
      <ConfirmDialog
        title={`Revoke ${revoked?.name ?? ""}?`} action="Revoke" open={revoked !== undefined} onClose={revoking.close} onDone={() => revoking.done()}
        onConfirm={async () => {
          await fetchResult(account(`/tokens/${revoked?.id ?? ""}`), { method: "DELETE" });
          await refresh("tokens");
          tell(`Revoked ${revoked?.name ?? ""}.`);
        }}
      >
        <p>It stops working at once, and sessions that were begun with it end.{revoked?.id === session.token_id ? " This is your own session." : ""}</p>
      </ConfirmDialog>
    </Panel>
  );
}

function NewToken({ onCancel, onDone }: { onCancel: () => void; onDone: () => void }) {
  const session = useSession();
  const account = useAccount();
  const refresh = useRefresh();
  const groups = usePermissionGroups();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [expiry, setExpiry] = useState("");
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [failure, setFailure] = useState<unknown>(null);
  const [made, setMade] = useState<ApiToken | null>(null);
  const expires = new Date(expiry).getTime();
  const submit = async (event: SyntheticEvent) => {
    event.preventDefault();
    setFailure(null);
    const faults: Record<string, string> = {};
    if (name.trim() === "") faults.name = "Give the token a name.";
    if (chosen.length === 0) faults.permissions = "Choose at least one permission.";
    setWrong(faults);
    if (Object.keys(faults).length > 0) return;
    try {
      setMade(await fetchResult<ApiToken>(account("/tokens"), { method: "POST", body: { name: name.trim(), permissions: chosen, ...(expiry === "" ? {} : { expires_on: new Date(expiry).toISOString() }) } }));
      await refresh("tokens");
    } catch (error) {
      const fields: Record<string, string> = {};
      if (error instanceof ApiFailure) {
        for (const item of error.errors) {
          const field = item.source?.pointer?.split("/")[1];
          if (field !== undefined) fields[field] = item.message;
        }
      }
      setWrong(fields);
      if (Object.keys(fields).length === 0) setFailure(error);
    }
  };
  if (made !== null) {
    return (
      <>
        <p>This is shown once. Keep it where it is safe.</p>
        <CodeBlock label="token" text={made.value ?? ""} />
        <div className="dialog-actions"><Button look="primary" onPress={onDone}>Done</Button></div>
      </>
    );
  }
  return (
    <form className="stack" onSubmit={(event) => void submit(event)} noValidate>
      <TextInput label="Name" value={name} onChange={setName} wrong={wrong.name} placeholder="ci" autoFocus />
      <fieldset className="group">
        <legend>Permissions</legend>
        <Loaded query={groups}>
          {(all) => all.map((group) => (
            <CheckInput key={group.id} label={group.name} value={chosen.includes(group.id)} disabled={!may(session, group.id)} onChange={(on) => setChosen(on ? [...chosen, group.id] : chosen.filter((each) => each !== group.id))} />
          ))}
        </Loaded>
        {wrong.permissions === undefined ? null : <p className="wrong" role="alert"><Sentence text={wrong.permissions} /></p>}
      </fieldset>
      <TextInput label="Expires" type="datetime-local" value={expiry} onChange={setExpiry} wrong={wrong.expires_on} hint={`In your time zone, ${ZONE}. ${Number.isFinite(expires) ? `In UTC: ${formatUtcMinute(expires)}.` : "Empty: never."}`} />
      {failure === null ? null : <Failed error={failure} />}
      <div className="dialog-actions"><Button onPress={onCancel}>Cancel</Button><Button look="primary" type="submit">Create</Button></div>
    </form>
  );
}

/** What there is to be changed: one that is not among them is there once it was. */
const RESOURCES = ["worker", "version", "deployment", "secret", "route", "domain", "service", "tunnel", "hostname", "certificate", "token", "account"];

function Audit() {
  const [params, change] = useAddress();
  const resource = params.get("resource") ?? "";
  const open = params.get("entry");
  const audit = useAudit(resource, usePages(), open);
  const options = [...new Set([...RESOURCES, ...(resource === "" ? [] : [resource]), ...(audit.data?.rows.map((row) => row.resource.type) ?? [])])];
  return (
    <>
      <div className="filters">
        <SelectInput label="What" compact value={resource} onChange={(value) => change({ resource: value, pages: null, entry: null })} options={[{ id: "", label: "Everything" }, ...options.map((id) => ({ id, label: id }))]} />
      </div>
      <Panel title="Changes" aside="Newest first">
        <Loaded query={audit} lines={8}>
          {(data) => data.rows.length === 0 ? <Empty title="No changes" /> : (
            <div className="stack">
              <ul className="event-list">
                {data.rows.map((entry) => <Entry key={entry.id} entry={entry} open={open === entry.id} onToggle={() => change({ entry: open === entry.id ? null : entry.id, pages: data.read === 1 ? null : String(data.read) })} />)}
              </ul>
              <Older list={data} busy={audit.isFetchingNextPage} />
            </div>
          )}
        </Loaded>
      </Panel>
    </>
  );
}

/** The name that somebody gave to what was changed, where it has one besides its id; of a version, its Worker and number. */
function nameOf({ before, after, resource }: AuditEntry): string | null {
  for (const state of [after, before]) {
    if (typeof state === "object" && state !== null && "worker" in state && "number" in state) return `${String(state.worker)} #${String(state.number)}`;
    if (typeof state === "object" && state !== null && "name" in state && typeof state.name === "string" && state.name !== resource.id) return state.name;
  }
  return null;
}

function Entry({ entry, open, onToggle }: { entry: AuditEntry; open: boolean; onToggle: () => void }) {
  const body = `entry-${entry.id}`;
  const name = nameOf(entry);
  return (
    <li className="event">
      <button type="button" className="event-head" aria-expanded={open} aria-controls={body} onClick={onToggle}>
        <span className="muted"><Time at={entry.when} form="short" /></span>
        <span>{entry.actor.name}</span>
        <span className="event-detail"><strong>{entry.action}</strong> {entry.resource.type} {name === null ? null : <strong>{name} </strong>}<code className="muted">{entry.resource.id}</code></span>
      </button>
      {open ? (
        <div id={body} className="event-body stack">
          <p><Time at={entry.when} form="precise" />, by {entry.actor.name}{entry.actor.address === undefined ? "" : ` from ${entry.actor.address}`}</p>
          <div className="columns">
            <div><h3>Before</h3>{entry.before === null ? <p className="muted">It was not there.</p> : <LongText label="Before" text={JSON.stringify(entry.before, null, 2)} />}</div>
            <div><h3>After</h3>{entry.after === null ? <p className="muted">It is gone.</p> : <LongText label="After" text={JSON.stringify(entry.after, null, 2)} />}</div>
          </div>
        </div>
      ) : null}
    </li>
  );
}
