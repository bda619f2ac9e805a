/** One attempt, phase by phase, drawn along its time. */

import { Fragment } from "react";
import { formatDuration } from "../model/format";
import { skippedWords, waterfall, type Attempt } from "../model/waterfall";

export function Waterfall({ attempt }: { attempt: Attempt }) {
  const { bars, total } = waterfall(attempt);
  const scale = total === 0 ? 1 : total;
  return (
    <dl className="waterfall" aria-label="Phases">
      {bars.map((bar) => (
        <Fragment key={bar.phase}>
          <dt className={bar.state}>{bar.phase}</dt>
          <dd className="track" aria-hidden="true">
            {bar.state === "skipped" ? null : (
              <span className={`bar ${bar.state}`} style={{ left: `${(bar.start / scale) * 100}%`, width: `max(3px, ${(bar.duration / scale) * 100}%)`, maxWidth: "100%" }} />
            )}
          </dd>
          <dd className={`time ${bar.state}`}>
            {bar.state === "skipped" ? <span className="muted">{skippedWords(bar, attempt)}</span> : <>{bar.state === "failed" ? "failed " : ""}{bar.duration === 0 && bar.state === "failed" ? "" : formatDuration(bar.duration)}</>}
          </dd>
        </Fragment>
      ))}
    </dl>
  );
}
