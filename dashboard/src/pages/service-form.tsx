/** The form of a VPC Service, for a new one and for one that is changed. Errors stand at their fields, the server's too. */

import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import { ApiFailure } from "../api/client";
import { useTunnels } from "../api/queries";
import type { VpcServiceSpec } from "../api/types";
import { placeErrors, readDraft, type DraftField, type FieldErrors, type ServiceDraft } from "../model/service";
import { useShown } from "../ui/address";
import { Button, ButtonLink, ChoiceInput, SelectInput, TextInput } from "../ui/controls";
import { Disclosure } from "../ui/disclosure";
import { Failed } from "../ui/states";

export interface ServiceFormProps {
  initial: ServiceDraft;
  action: string;
  onSubmit: (spec: VpcServiceSpec) => Promise<void>;
  onCancel?: () => void;
  disabled?: boolean;
}

const ADVANCED: readonly DraftField[] = ["dnsMs", "connectMs", "tlsMs", "readMs", "writeMs", "idleMs", "connections", "connectionsPerSecond", "breakerFailures", "breakerTrialMs", "methods", "pathPrefixes", "trustedRoots"];

export function ServiceForm({ initial, action, onSubmit, onCancel, disabled = false }: ServiceFormProps) {
  const tunnels = useTunnels();
  const form = useRef<HTMLFormElement>(null);
  const [draft, setDraft] = useState(initial);
  const [wrong, setWrong] = useState<FieldErrors>({});
  const anyWrong = Object.keys(wrong).length > 0;
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [anySet] = useState(() => initial.breaker === "off" || ADVANCED.some((field) => initial[field] !== ""));
  const [, showMore] = useShown("advanced", anySet);

  // The first field that is wrong gets the focus, once: whoever mends one of several goes on typing in it.
  const [refusals, setRefusals] = useState(0);
  useEffect(() => {
    if (refusals === 0) return;
    form.current?.querySelector<HTMLElement>("[data-invalid] input, [data-invalid] textarea, [data-invalid] button")?.focus();
  }, [refusals]);

  const set = (field: DraftField) => (value: string) => {
    setDraft((before) => ({ ...before, [field]: value }));
    setWrong((before) => Object.fromEntries(Object.entries(before).filter(([name]) => name !== field)));
  };
  const text = (field: DraftField) => ({ value: draft[field], wrong: wrong[field], onChange: set(field) });

  const show = (errors: FieldErrors) => {
    if (ADVANCED.some((field) => errors[field] !== undefined)) showMore(true);
    setWrong(errors);
    setRefusals((count) => count + 1);
  };

  const submit = async (event: SyntheticEvent) => {
    event.preventDefault();
    setFailure(null);
    const { spec, errors } = readDraft(draft);
    if (spec === undefined) {
      show(errors);
      return;
    }
    setBusy(true);
    try {
      await onSubmit(spec);
    } catch (error) {
      if (error instanceof ApiFailure) {
        const placed = placeErrors(error.errors);
        show(placed.fields);
        setFailure(placed.rest.length > 0 || Object.keys(placed.fields).length === 0 ? error : null);
      } else setFailure(error);
    } finally {
      setBusy(false);
    }
  };

  const options = (tunnels.data ?? []).map(({ id, name }) => ({ id, label: name }));
  if (draft.tunnel !== "" && !options.some(({ id }) => id === draft.tunnel)) options.push({ id: draft.tunnel, label: draft.tunnel });

  return (
    <form ref={form} className="form" onSubmit={(event) => void submit(event)} noValidate>
      <TextInput label="Service name" {...text("name")} placeholder="inventory" hint="For people; Workers know the service by its id." />
      <ChoiceInput label="Type" value={draft.type} onChange={set("type")} wrong={wrong.type} options={[{ id: "http", label: "HTTP, for fetch()" }, { id: "tcp", label: "TCP, for connect()" }]} />
      <SelectInput label="Tunnel" {...text("tunnel")} options={options} placeholder={options.length === 0 ? "No tunnels yet" : "Choose a tunnel"} hint="The way into the service's network." />
      {tunnels.data?.length === 0 ? <div><ButtonLink href="/tunnels/new" small>Create a tunnel</ButtonLink></div> : null}

      <fieldset className="group">
        <legend>Host</legend>
        <ChoiceInput label="Reached by" value={draft.hostKind} onChange={set("hostKind")} options={[{ id: "address", label: "IP address" }, { id: "hostname", label: "Host name" }]} />
        {draft.hostKind === "address" ? (
          <div className="form-grid">
            <TextInput label="IPv4 address" {...text("ipv4")} placeholder="10.0.0.5" />
            <TextInput label="IPv6 address" {...text("ipv6")} placeholder="fd00::5" hint="With both, the one that answers first is used." />
          </div>
        ) : (
          <>
            <TextInput label="Host name" {...text("hostname")} placeholder="inventory.internal" />
            <ChoiceInput label="DNS resolver" value={draft.resolver} onChange={set("resolver")} options={[{ id: "tunnel", label: "The connector's own" }, { id: "custom", label: "These resolvers" }]} />
            {draft.resolver === "custom" ? <TextInput label="Resolver addresses" {...text("resolverIps")} placeholder="10.0.0.2, 10.0.0.3" hint="Asked in this order, through the tunnel." /> : null}
          </>
        )}
      </fieldset>

      <fieldset className="group">
        <legend>Ports</legend>
        {draft.type === "http" ? (
          <>
            <ChoiceInput label="Of http: and https: URLs" value={draft.ports} onChange={set("ports")} options={[{ id: "default", label: "Default: 80 and 443" }, { id: "custom", label: "These ports" }]} />
            {draft.ports === "custom" ? (
              <div className="form-grid">
                <TextInput label="HTTP port" numeric {...text("httpPort")} hint="For http: URLs. Empty: not allowed." />
                <TextInput label="HTTPS port" numeric {...text("httpsPort")} hint="For https: URLs. Empty: not allowed." />
              </div>
            ) : null}
          </>
        ) : (
          <div className="form-grid">
            <TextInput label="TCP port" numeric {...text("tcpPort")} placeholder="5432" />
            <SelectInput label="Protocol" {...text("appProtocol")} options={[{ id: "", label: "Any" }, { id: "postgresql", label: "PostgreSQL" }, { id: "mysql", label: "MySQL" }]} />
          </div>
        )}
      </fieldset>

      <fieldset className="group">
        <legend>TLS to the service</legend>
        <ChoiceInput
          label="The service's certificate" value={draft.verification} onChange={set("verification")} wrong={wrong.verification}
          options={[{ id: "verify_full", label: "Verify fully" }, { id: "verify_ca", label: "Verify the issuer, not the name" }, { id: "disabled", label: "Do not verify" }]}
          hint="The name that is checked is the host of the URL which the Worker fetches."
        />
        <div className="form-grid">
          <TextInput label="Certificate authority" {...text("certificateAuthority")} placeholder="UUID" hint="Its id, as wrangler cert upload printed it. Empty: public authorities." />
          <TextInput label="Client certificate" {...text("clientCertificate")} placeholder="UUID" hint="Shown to services that ask for one." />
        </div>
      </fieldset>

      <Disclosure name="advanced" summary="Timeouts, limits and policy" open={anySet}>
        <div className="stack">
          <fieldset className="group">
            <legend>Timeouts, in milliseconds</legend>
            <div className="form-grid">
              <TextInput label="DNS" numeric {...text("dnsMs")} placeholder="5000" />
              <TextInput label="Connect" numeric {...text("connectMs")} placeholder="5000" />
              <TextInput label="TLS" numeric {...text("tlsMs")} placeholder="10000" />
              <TextInput label="Read" numeric {...text("readMs")} placeholder="60000" />
              <TextInput label="Write" numeric {...text("writeMs")} placeholder="30000" />
              <TextInput label="Idle" numeric {...text("idleMs")} placeholder="55000" hint="A connection is kept so long for the next request." />
            </div>
          </fieldset>
          <fieldset className="group">
            <legend>Limits</legend>
            <div className="form-grid">
              <TextInput label="Concurrent connections" numeric {...text("connections")} placeholder="512" />
              <TextInput label="New connections per second" numeric {...text("connectionsPerSecond")} placeholder="No limit" />
            </div>
            <ChoiceInput
              label="Breaker" value={draft.breaker} onChange={set("breaker")} options={[{ id: "on", label: "On" }, { id: "off", label: "Off" }]}
              hint="After so many failures in a row requests fail at once, but for a trial now and then."
            />
            {draft.breaker === "off" ? null : (
              <div className="form-grid">
                <TextInput label="Failures in a row that open it" numeric {...text("breakerFailures")} placeholder="8" />
                <TextInput label="Milliseconds between trials" numeric {...text("breakerTrialMs")} placeholder="5000" />
              </div>
            )}
          </fieldset>
          <fieldset className="group">
            <legend>What is forwarded, and who is trusted</legend>
            <div className="form-grid">
              <TextInput label="Allowed methods" {...text("methods")} placeholder="All" hint="For example: GET, HEAD" />
              <TextInput label="Allowed path prefixes" {...text("pathPrefixes")} placeholder="All" hint="For example: /api, /health" />
              <TextInput label="More trusted authorities" {...text("trustedRoots")} placeholder="UUIDs" hint="Uploaded certificate authorities, besides the one above." />
            </div>
          </fieldset>
        </div>
      </Disclosure>

      {failure === null ? null : <Failed error={failure} />}
      {anyWrong ? <p className="wrong" role="status">Some fields need another value.</p> : null}
      <div className="actions">
        <Button look="primary" type="submit" isDisabled={busy || disabled}>{busy ? "Saving…" : action}</Button>
        {onCancel === undefined ? null : <Button onPress={onCancel}>Cancel</Button>}
      </div>
    </form>
  );
}
