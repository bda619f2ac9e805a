/** What opens and closes in its place, as the address says. What is in it is made only while it is open. */

import type { ReactNode } from "react";
import { useShown } from "./address";

export function Disclosure({ name, summary, open: fallback = false, children }: { name: string; summary: string; open?: boolean; children: ReactNode }) {
  const [shown, show] = useShown(name, fallback);
  return (
    <details open={shown} onToggle={(event) => { if (event.currentTarget.open !== shown) show(event.currentTarget.open); }}>
      <summary>{summary}</summary>
      {shown ? children : null}
    </details>
  );
}
