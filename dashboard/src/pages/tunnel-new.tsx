/** Creating a tunnel, and then the commands that connect it. */

import { useState, type SyntheticEvent } from "react";
import { useLocation } from "wouter";
import { ApiFailure, fetchResult } from "../api/client";
import { useAccount, useRefresh, useTunnel } from "../api/queries";
import type { Tunnel } from "../api/types";
import { tunnelHealth } from "../model/health";
import { Button, ButtonLink, TextInput } from "../ui/controls";
import { Badge, PageHead, Panel } from "../ui/page";
import { Failed } from "../ui/states";
import { TunnelCommands } from "./tunnel-commands";

export default function NewTunnel() {
  const [made, setMade] = useState<Tunnel | null>(null);
  return (
    <>
      <PageHead title={made === null ? "Create a tunnel" : `Connect ${made.name}`} crumb={{ href: "/tunnels", label: "Tunnels" }} />
      {made === null ? <NameForm onMade={setMade} /> : <Connect tunnel={made} />}
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

function Connect({ tunnel }: { tunnel: Tunnel }) {
  const live = useTunnel(tunnel.id);
  const { health, words } = tunnelHealth(live.data ?? tunnel);
  const connected = health !== "down";
  return (
    <>
      <Panel title="Start a connector">{tunnel.token === undefined ? null : <TunnelCommands token={tunnel.token} />}</Panel>
      <Panel>
        <div className="row" aria-live="polite">
          <Badge health={connected ? health : "idle"}>{connected ? words : "Waiting for a connector"}</Badge>
          <ButtonLink href={`/tunnels/${tunnel.id}`}>Show the tunnel</ButtonLink>
          <ButtonLink href={`/services/new?tunnel=${tunnel.id}`} look={connected ? "primary" : "default"}>Register a service behind it</ButtonLink>
        </div>
      </Panel>
    </>
  );
}
