/** What of a Worker is changed without an upload: limits, variables, secrets, where it is served, what is recorded; deleting it. */

import { useState, type ReactNode, type SyntheticEvent } from "react";
import { ApiFailure, fetchResult } from "../api/client";
import { useAccount, useDomains, useRefresh, useRoutes, useSchedules, useSession, useSubdomain, useWorkerSettings } from "../api/queries";
import type { Binding, WorkerSettings as Settings } from "../api/types";
import { may } from "../model/permissions";
import { changedBindings, isVariable, variableFault, variableText, type VariableEdit } from "../model/worker";
import { Button, CheckInput, ChoiceInput, TextInput } from "../ui/controls";
import { ConfirmDialog, DialogFrame, useDialog } from "../ui/dialog";
import { Facts, Panel } from "../ui/page";
import { Empty, Failed, Loaded } from "../ui/states";
import { Table } from "../ui/table";
import { tell } from "../ui/toasts";
import { useNamed } from "./names";

/** The path of a Worker's calls, and what to do after a change of it. */
function useWorker(name: string) {
  const account = useAccount();
  const refresh = useRefresh();
  return {
    path: account(`/workers/scripts/${encodeURIComponent(name)}`),
    changed: async (words: string) => {
      await refresh("worker-settings", "versions", "deployments", "workers");
      tell(words);
    },
  };
}

export function WorkerSettings({ name }: { name: string }) {
  const session = useSession();
  const settings = useWorkerSettings(name);
  const edit = may(session, "workers-scripts.edit");
  return (
    <Loaded query={settings} lines={8}>
      {(data) => (
        <>
          {edit ? null : <p className="note">Your token may look, not change.</p>}
          <Limits name={name} settings={data} edit={edit} />
          <Variables name={name} bindings={data.bindings} edit={edit} />
          <Secrets name={name} bindings={data.bindings} edit={edit} />
          <Addresses name={name} edit={edit} />
          <Observability name={name} settings={data} edit={edit} />
          <Panel title="Runtime">
            <Facts items={[["Compatibility date", data.compatibility_date ?? "not set"], ["Compatibility flags", (data.compatibility_flags ?? []).join(", ") || "none"]]} />
          </Panel>
          {edit ? <Delete name={name} /> : null}
        </>
      )}
    </Loaded>
  );
}

/** A form that saves, and says what the server said. */
function useSaving(save: () => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const submit = async (event?: SyntheticEvent) => {
    event?.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      await save();
    } catch (error) {
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return { busy, failure, submit };
}

/**
 * What somebody makes of a value that the server has. It follows the server as long as it is as it was there, or as it was sent there; what is
 * being typed when the server's value changes stays.
 */
function useDraft<T>(current: T) {
  const [value, set] = useState(current);
  const [seen, setSeen] = useState(current);
  const [sent, setSent] = useState<T | null>(null);
  if (current !== seen) {
    setSeen(current);
    if (value === seen || value === sent) set(current);
  }
  return { value, set, send: () => setSent(value) };
}

function whole(text: string, most: number): { value: number | undefined; wrong: string | undefined } {
  if (text.trim() === "") return { value: undefined, wrong: undefined };
  const value = /^\d+$/.test(text.trim()) ? Number(text) : NaN;
  return value >= 1 && value <= most ? { value, wrong: undefined } : { value: undefined, wrong: `A whole number from 1 to ${most.toLocaleString("en")}.` };
}

function Limits({ name, settings, edit }: { name: string; settings: Settings; edit: boolean }) {
  const { path, changed } = useWorker(name);
  const cpu = useDraft(String(settings.limits?.cpu_ms ?? ""));
  const subrequests = useDraft(String(settings.limits?.subrequests ?? ""));
  const cpuRead = whole(cpu.value, 300_000);
  const subrequestsRead = whole(subrequests.value, 10_000_000);
  const changes = cpuRead.value !== settings.limits?.cpu_ms || subrequestsRead.value !== settings.limits?.subrequests;
  const { busy, failure, submit } = useSaving(async () => {
    cpu.send();
    subrequests.send();
    await fetchResult(`${path}/settings`, {
      method: "PATCH",
      body: { limits: { ...(cpuRead.value !== undefined && { cpu_ms: cpuRead.value }), ...(subrequestsRead.value !== undefined && { subrequests: subrequestsRead.value }) } },
    });
    await changed("Saved as a new version, which is deployed.");
  });
  return (
    <Panel title="Limits">
      <form className="form" onSubmit={(event) => void submit(event)} noValidate>
        <div className="form-grid">
          <TextInput label="CPU time, milliseconds" hint="Of one invocation." numeric value={cpu.value} onChange={cpu.set} wrong={cpuRead.wrong} placeholder="30000" disabled={!edit} />
          <TextInput label="Subrequests" hint="Of one invocation." numeric value={subrequests.value} onChange={subrequests.set} wrong={subrequestsRead.wrong} placeholder="1000" disabled={!edit} />
        </div>
        {failure === null ? null : <Failed error={failure} />}
        <div className="actions"><Button small type="submit" isDisabled={!edit || busy || !changes || cpuRead.wrong !== undefined || subrequestsRead.wrong !== undefined}>Save limits</Button></div>
      </form>
    </Panel>
  );
}

function Variables({ name, bindings, edit }: { name: string; bindings: readonly Binding[]; edit: boolean }) {
  const { path, changed } = useWorker(name);
  const adding = useDialog("add-variable");
  const changing = useDialog("change-variable");
  const removing = useDialog("delete-variable");
  const variables = bindings.filter(isVariable);
  const taken = bindings.map((binding) => binding.name);
  const variableOf = (of: string | null) => (edit ? variables.find((binding) => binding.name === of) : undefined);
  const [before, removed] = [variableOf(changing.of), variableOf(removing.of)];
  const send = async (replaced: string | null, next: VariableEdit | null) => {
    await fetchResult(`${path}/settings`, { method: "PATCH", body: { bindings: changedBindings(bindings, replaced, next) } });
    await changed("Saved as a new version, which is deployed.");
  };
  return (
    <Panel title="Variables" aside={edit ? <Button small onPress={() => adding.open()}>Add a variable</Button> : undefined} flush>
      {variables.length === 0 ? <Empty title="No variables" /> : (
        <Table
          label="Variables" rows={variables} rowKey={(binding) => binding.name}
          columns={[
            { label: "Name", primary: true, cell: (binding) => <code>{binding.name}</code> },
            { label: "Type", cell: (binding) => binding.type === "json" ? "JSON" : "Text" },
            { label: "Value", wide: true, cell: (binding) => <code>{variableText(binding)}</code> },
            {
              label: "", align: "end", cell: (binding) => edit ? (
                <span className="actions">
                  <Button small aria-label={`Change ${binding.name}`} onPress={() => changing.open(binding.name)}>Change</Button>
                  <Button small look="danger" aria-label={`Delete ${binding.name}`} onPress={() => removing.open(binding.name)}>Delete</Button>
                </span>
              ) : null,
            },
          ]}
        />
      )}
      <DialogFrame title="Add a variable" open={edit && adding.of !== null} onClose={adding.close}>
        <VariableForm initial={null} taken={taken} onSave={send} onCancel={adding.close} onDone={() => adding.done()} />
      </DialogFrame>
      <DialogFrame title="Change a variable" open={before !== undefined} onClose={changing.close}>
        {before === undefined ? null : <VariableForm initial={before} taken={taken.filter((each) => each !== before.name)} onSave={send} onCancel={changing.close} onDone={() => changing.done()} />}
      </DialogFrame>
      <ConfirmDialog
        title={`Delete ${removed?.name ?? ""}?`} action="Delete" open={removed !== undefined} onClose={removing.close} onDone={() => removing.done()}
        onConfirm={() => send(removed?.name ?? null, null)}
      >
        <p>A new version without it is deployed.</p>
      </ConfirmDialog>
    </Panel>
  );
}

function VariableForm({ initial, taken, onSave, onCancel, onDone }: { initial: Binding | null; taken: readonly string[]; onSave: (replaced: string | null, edit: VariableEdit) => Promise<void>; onCancel: () => void; onDone: () => void }) {
  const [edit, setEdit] = useState<VariableEdit>({ name: initial?.name ?? "", kind: initial?.type === "json" ? "json" : "plain_text", text: initial === null ? "" : variableText(initial) });
  const [shown, setShown] = useState(false);
  const fault = variableFault(edit, taken);
  const { busy, failure, submit } = useSaving(async () => {
    setShown(true);
    if (fault !== null) return;
    await onSave(initial?.name ?? null, edit);
    onDone();
  });
  const wrong = (field: "name" | "text") => shown && fault?.field === field ? fault.message : undefined;
  return (
    <form className="stack" onSubmit={(event) => void submit(event)} noValidate>
      <TextInput label="Name" value={edit.name} onChange={(name) => setEdit({ ...edit, name: name.trim() })} wrong={wrong("name")} autoFocus />
      <ChoiceInput label="Type" value={edit.kind} onChange={(kind) => setEdit({ ...edit, kind })} options={[{ id: "plain_text", label: "Text" }, { id: "json", label: "JSON" }]} />
      <TextInput label="Value" multiline value={edit.text} onChange={(text) => setEdit({ ...edit, text })} wrong={wrong("text")} />
      {failure === null ? null : <Failed error={failure} />}
      <div className="dialog-actions"><Button onPress={onCancel}>Cancel</Button><Button look="primary" type="submit" isDisabled={busy}>Save and deploy</Button></div>
    </form>
  );
}

function Secrets({ name, bindings, edit }: { name: string; bindings: readonly Binding[]; edit: boolean }) {
  const { path, changed } = useWorker(name);
  const adding = useDialog("add-secret");
  const replacing = useDialog("replace-secret");
  const removing = useDialog("delete-secret");
  const secrets = bindings.filter((binding) => binding.type === "secret_text");
  const secretOf = (of: string | null) => (edit ? secrets.find((binding) => binding.name === of)?.name : undefined);
  const [replaced, removed] = [secretOf(replacing.of), secretOf(removing.of)];
  const save = async (secret: string, text: string) => {
    await fetchResult(`${path}/secrets`, { method: "PUT", body: { name: secret, text, type: "secret_text" } });
    await changed(`Set ${secret}, and deployed.`);
  };
  return (
    <Panel title="Secrets" aside={edit ? <Button small onPress={() => adding.open()}>Add a secret</Button> : undefined} flush>
      {secrets.length === 0 ? <Empty title="No secrets"><p>A secret is a variable whose value goes in and never comes out.</p></Empty> : (
        <Table
          label="Secrets" rows={secrets} rowKey={(binding) => binding.name}
          columns={[
            { label: "Name", primary: true, cell: (binding) => <code>{binding.name}</code> },
            { label: "Value", cell: () => <span className="muted">never shown</span> },
            {
              label: "", align: "end", cell: (binding) => edit ? (
                <span className="actions">
                  <Button small aria-label={`Replace ${binding.name}`} onPress={() => replacing.open(binding.name)}>Replace</Button>
                  <Button small look="danger" aria-label={`Delete ${binding.name}`} onPress={() => removing.open(binding.name)}>Delete</Button>
                </span>
              ) : null,
            },
          ]}
        />
      )}
      <DialogFrame title="Add a secret" open={edit && adding.of !== null} onClose={adding.close}>
        <SecretForm initial="" onSave={save} onCancel={adding.close} onDone={() => adding.done()} />
      </DialogFrame>
      <DialogFrame title={`Replace ${replaced ?? ""}`} open={replaced !== undefined} onClose={replacing.close}>
        <SecretForm initial={replaced ?? ""} onSave={save} onCancel={replacing.close} onDone={() => replacing.done()} />
      </DialogFrame>
      <ConfirmDialog
        title={`Delete ${removed ?? ""}?`} action="Delete" open={removed !== undefined} onClose={removing.close} onDone={() => removing.done()}
        onConfirm={async () => {
          await fetchResult(`${path}/secrets/${encodeURIComponent(removed ?? "")}`, { method: "DELETE" });
          await changed(`Deleted ${removed ?? ""}.`);
        }}
      >
        <p>A new version without it is deployed. Its value cannot be brought back.</p>
      </ConfirmDialog>
    </Panel>
  );
}

function SecretForm({ initial, onSave, onCancel, onDone }: { initial: string; onSave: (name: string, text: string) => Promise<void>; onCancel: () => void; onDone: () => void }) {
  const [secret, setSecret] = useState(initial);
  const [text, setText] = useState("");
  const { busy, failure, submit } = useSaving(async () => {
    await onSave(secret, text);
    onDone();
  });
  return (
    <form className="stack" onSubmit={(event) => void submit(event)} noValidate>
      {initial === "" ? <TextInput label="Name" value={secret} onChange={(value) => setSecret(value.trim())} autoFocus /> : null}
      <TextInput label="Value" type="password" autoComplete="new-password" value={text} onChange={setText} autoFocus={initial !== ""} />
      {failure === null ? null : <Failed error={failure} />}
      <div className="dialog-actions"><Button onPress={onCancel}>Cancel</Button><Button look="primary" type="submit" isDisabled={busy || secret === "" || text === ""}>Save and deploy</Button></div>
    </form>
  );
}

function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

function Addresses({ name, edit }: { name: string; edit: boolean }) {
  const routes = useRoutes(name);
  const schedules = useSchedules(name);
  const domains = useDomains();
  const subdomain = useSubdomain(name);
  const { path } = useWorker(name);
  const refresh = useRefresh();
  const own = domains.data?.filter((domain) => domain.service === name).map((domain) => domain.hostname);
  return (
    <Panel title="Where it is served, and when it runs">
      <div className="stack">
        <Loaded query={subdomain} lines={1}>
          {(data) => (
            <CheckInput
              label={`At ${name}.localhost, by its name`} value={data.enabled} disabled={!edit}
              onChange={(enabled) => {
                void fetchResult(`${path}/subdomain`, { method: "POST", body: { enabled } }).then(() => refresh("subdomain")).catch((error: unknown) => tell(error instanceof Error ? error.message : "It could not be changed."));
              }}
            />
          )}
        </Loaded>
        {routes.error instanceof ApiFailure && routes.error.isUnknownCall ? <p className="muted">This server does not list routes yet; they can be set with wrangler.</p> : (
          <Loaded query={routes} lines={2}>
            {(data) => (
              <LinesForm
                label="Routes" hint={<>One a line: host and path, with <code>*</code> at the beginning of the host and the end of the path. Example: <code className="nowrap">app.example.com/*</code></>}
                initial={data.map((route) => route.pattern)} edit={edit}
                onSave={async (patterns) => { await fetchResult(`${path}/routes`, { method: "PUT", body: patterns.map((pattern) => ({ pattern })) }); await refresh("routes"); }}
              />
            )}
          </Loaded>
        )}
        {own === undefined ? null : (
          <LinesForm
            label="Custom domains" hint={<>One host name a line, without a path. Example: <code className="nowrap">app.example.com</code></>} initial={own} edit={edit}
            onSave={async (names) => { await fetchResult(`${path}/domains/records`, { method: "PUT", body: { override_scope: true, override_existing_origin: false, origins: names.map((hostname) => ({ hostname })) } }); await refresh("domains"); }}
          />
        )}
        <Loaded query={schedules} lines={2}>
          {(data) => (
            <LinesForm
              label="Cron triggers" hint={<>One expression a line, in UTC. Example: <code className="nowrap">*/5 * * * *</code></>} initial={data.map((schedule) => schedule.cron)} edit={edit}
              onSave={async (crons) => { await fetchResult(`${path}/schedules`, { method: "PUT", body: crons.map((cron) => ({ cron })) }); await refresh("schedules"); }}
            />
          )}
        </Loaded>
      </div>
    </Panel>
  );
}

function LinesForm({ label, hint, initial, edit, onSave }: { label: string; hint: ReactNode; initial: readonly string[]; edit: boolean; onSave: (values: string[]) => Promise<void> }) {
  const text = useDraft(initial.join("\n"));
  const { busy, failure, submit } = useSaving(async () => {
    text.send();
    await onSave(lines(text.value));
    tell(`${label} saved.`);
  });
  const wrong = failure instanceof ApiFailure && failure.errors.some((item) => item.source?.pointer !== undefined) ? failure.message : undefined;
  return (
    <form className="stack tight" onSubmit={(event) => void submit(event)} noValidate>
      <TextInput label={label} hint={hint} multiline value={text.value} onChange={text.set} disabled={!edit} wrong={wrong} />
      {failure === null || wrong !== undefined ? null : <Failed error={failure} />}
      <div><Button small type="submit" isDisabled={!edit || busy || lines(text.value).join("\n") === initial.join("\n")}>Save {label.toLowerCase()}</Button></div>
    </form>
  );
}

function Observability({ name, settings, edit }: { name: string; settings: Settings; edit: boolean }) {
  const { path, changed } = useWorker(name);
  const enabled = useDraft(settings.observability?.enabled ?? true);
  const rate = useDraft(String(settings.observability?.head_sampling_rate ?? 1));
  const number = Number(rate.value);
  const valid = rate.value.trim() !== "" && number >= 0 && number <= 1;
  const changes = enabled.value !== (settings.observability?.enabled ?? true) || number !== (settings.observability?.head_sampling_rate ?? 1);
  const { busy, failure, submit } = useSaving(async () => {
    enabled.send();
    rate.send();
    await fetchResult(`${path}/script-settings`, { method: "PATCH", body: { observability: { ...settings.observability, enabled: enabled.value, head_sampling_rate: number } } });
    await changed("Saved.");
  });
  return (
    <Panel title="Invocation logs">
      <form className="form" onSubmit={(event) => void submit(event)} noValidate>
        <CheckInput label="Keep a record of each invocation" value={enabled.value} onChange={enabled.set} disabled={!edit} />
        <div className="form-grid">
          <TextInput label="Share that is kept" value={rate.value} onChange={rate.set} wrong={valid ? undefined : "A number from 0 to 1."} hint="0.1 keeps one in ten, 1 keeps all. Metrics always count all." disabled={!edit} />
        </div>
        {failure === null ? null : <Failed error={failure} />}
        <div className="actions"><Button small type="submit" isDisabled={!edit || busy || !valid || !changes}>Save logging</Button></div>
      </form>
    </Panel>
  );
}

function Delete({ name }: { name: string }) {
  const { path } = useWorker(name);
  const refresh = useRefresh();
  const deleting = useDialog("delete");
  const named = useNamed(`Worker "${name}"`);
  return (
    <Panel title="Delete">
      <div className="row"><Button look="danger" onPress={() => deleting.open()}>Delete this Worker</Button><span className="muted">Its versions, secrets and routes are deleted with it.</span></div>
      <ConfirmDialog
        title={`Delete ${name}?`} action="Delete" typed={name} named={named} open={deleting.of !== null} onClose={deleting.close}
        onConfirm={async () => {
          await fetchResult(path, { method: "DELETE" });
          tell(`Deleted ${name}.`);
        }}
        onDone={() => {
          deleting.done("/workers");
          void refresh("workers");
        }}
      >
        <p>Requests to it are answered with an error page from then on.</p>
      </ConfirmDialog>
    </Panel>
  );
}
