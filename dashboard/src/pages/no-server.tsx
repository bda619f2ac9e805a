/** What stands where nobody can be signed in, because the server does not answer. */

import { useEffect } from "react";
import { Failed } from "../ui/states";

export function NoServer({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  useEffect(() => {
    document.title = "No answer · Culvert";
  }, []);
  return (
    <main className="sign-in">
      <div className="sign-in-card">
        <div className="row">
          <img src="/favicon.svg" alt="" width="36" height="36" />
          <h1>Culvert does not answer</h1>
        </div>
        <Failed error={error} onRetry={onRetry} />
        <p className="muted">It is asked again every few seconds, and this page goes on by itself.</p>
      </div>
    </main>
  );
}
