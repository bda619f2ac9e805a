/** Creating a tunnel, and then the commands that connect it. Which one was made stands in the address. */

import { useState, type SyntheticEvent } from "react";
import { useLocation } from "wouter";
import { ApiFailure, fetchResult } from "../api/client";
import { useAccount, useRefresh, useTunnel, useTunnelToken } from "../api/queries";
import type { Tunnel } from "../api/types";
import { tunnelHealth } from "../model/health";
import { useAddress } from "../ui/address";
import { Button, ButtonLink, TextInput } from "../ui/controls";
import { Badge, PageHead, Panel } from "../ui/page";
import { Failed, Loaded } from "../ui/states";
import { TunnelCommands } from "./tunnel-commands";

const CRUMB = { href: "/tunnels", label: "Tunnels" };

export default function NewTunnel() {
  const [params, change] = useAddress();
  const made = params.get("made");
  if (made !== null) return <Connect id={made} />;
  return (
    <>
      <PageHead title="Create a tunnel" crumb={CRUMB} />
      <NameForm onMade={(tunnel) => change({ made: tunnel.id })} />
    </>
  );
}

function NameForm({ onMade }: { onMade: (tunnel: Tunnel) => void }) {
  const account = useAccount();
  const refresh = useRefresh();
  const [, navigate] = useLocation();
  const [name, setName] = useState("");
  const [wrong, setWrong] = useState<string | undefined>();
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: SyntheticEvent) => {
    event.preventDefault();
    setFailure(null);
    if (name.trim() === "") {
      setWrong("Give the tunnel a name.");
      return;
    }
    setBusy(true);
    try {
      const tunnel = await fetchResult<Tunnel>(account("/cfd_tunnel"), { method: "POST", body: { name: name.trim(), config_src: "cloudflare" } });
      await refresh("tunnels");
      onMade(tunnel);
    } catch (error) {
      const item = error instanceof ApiFailure ? error.errors.find((each) => each.source?.pointer === "/name" || each.code === 1013) : undefined;
      if (item === undefined) setFailure(error);
      else setWrong(item.message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Panel>
      <form className="form" onSubmit={(event) => void submit(event)} noValidate>
        <TextInput label="Tunnel name" value={name} wrong={wrong} onChange={(value) => { setName(value); setWrong(undefined); }} placeholder="warehouse" hint="For people: the network or site that it leads into." autoFocus />
        {failure === null ? null : <Failed error={failure} />}
        <div className="actions">
          <Button look="primary" type="submit" isDisabled={busy}>{busy ? "Creating…" : "Create"}</Button>
          <Button onPress={() => navigate("/tunnels")}>Cancel</Button>
        </div>
      </form>
    </Panel>
  );
}

function Connect({ id }: { id: string }) {
  const tunnel = useTunnel(id);
  const token = useTunnelToken(id, true);
  return (
    <>
      <PageHead title={`Connect ${tunnel.data?.name ?? "the tunnel"}`} crumb={CRUMB} />
      <Panel title="Start a connector"><Loaded query={token}>{(text) => <TunnelCommands token={text} />}</Loaded></Panel>
      <Panel>
        <Loaded query={tunnel} lines={1}>
          {(data) => {
            const { health, words } = tunnelHealth(data);
            const connected = health !== "down";
            return (
              <div className="row" aria-live="polite">
                <Badge health={connected ? health : "idle"}>{connected ? words : "Waiting for a connector"}</Badge>
                <ButtonLink href={`/tunnels/${id}`}>Show the tunnel</ButtonLink>
                <ButtonLink href={`/services/new?tunnel=${id}`} look={connected ? "primary" : "default"}>Register a service behind it</ButtonLink>
              </div>
            );
          }}
        </Loaded>
      </Panel>
    </>
  );
}
