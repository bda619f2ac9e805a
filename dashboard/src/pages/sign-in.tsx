/** Signing in with an API token. The token goes to the server once and is not kept; the session is a cookie that scripts cannot read. */

import { useEffect, useState, type SyntheticEvent } from "react";
import { fetchResult } from "../api/client";
import type { Session } from "../api/types";
import { Button, TextInput } from "../ui/controls";
import { Failed } from "../ui/states";

export function SignIn({ expired, onSignedIn }: { expired: boolean; onSignedIn: (session: Session) => void }) {
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);

  useEffect(() => {
    document.title = "Sign in · Culvert";
  }, []);

  const submit = async (event: SyntheticEvent) => {
    event.preventDefault();
    if (token.trim() === "") return;
    setBusy(true);
    setFailure(null);
    try {
      onSignedIn(await fetchResult<Session>("/session", { method: "POST", body: { token: token.trim() } }));
    } catch (error) {
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className="sign-in">
      <form className="sign-in-card" onSubmit={(event) => void submit(event)}>
        <div className="row">
          <img src="/favicon.svg" alt="" width="36" height="36" />
          <h1>Sign in to Culvert</h1>
        </div>
        {expired ? <div className="note warn" role="status">Your session has ended. Sign in again to go on where you were.</div> : null}
        <TextInput
          label="API token" type="password" autoComplete="current-password" value={token} onChange={setToken} autoFocus
          hint={<>The administrator's token is in the file <code>admin-token</code> of the data directory. More are made under Access, or with <code>culvert token create</code>.</>}
        />
        {failure === null ? null : <Failed error={failure} />}
        <Button look="primary" type="submit" isDisabled={busy || token.trim() === ""}>{busy ? "Signing in…" : "Sign in"}</Button>
      </form>
    </main>
  );
}
