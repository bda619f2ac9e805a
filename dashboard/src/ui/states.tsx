/** What stands where data should be: loading, failed, empty. */

import type { ReactNode } from "react";
import { ApiFailure } from "../api/client";
import { Button } from "./controls";
import { Sentence, type Named } from "./words";

export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => <span key={index} />)}
    </div>
  );
}

/** As tall as the two charts that come, side by side or one above the other as they will be. */
export function LoadingCharts() {
  return <div className="columns"><Loading lines={10} /><Loading lines={10} /></div>;
}

/** A failed call in words: what the server said, or that it cannot be reached. Those whom it names are links where they are `named`. */
export function Failed({ error, onRetry, named }: { error: unknown; onRetry?: (() => void) | undefined; named?: readonly Named[] | undefined }) {
  const lines = error instanceof ApiFailure && error.errors.length > 0
    ? error.errors.map((item) => item.message)
    : [error instanceof Error ? error.message : "Something failed."];
  const code = error instanceof ApiFailure ? error.errors.find((item) => item.code !== 0)?.code : undefined;
  const missing = error instanceof ApiFailure && error.isUnknownCall;
  return (
    <div className="note bad" role="alert">
      {missing ? <strong>This server does not have this call of the API. Update Culvert.</strong> : null}
      {lines.map((line, index) => <p key={index}><Sentence text={line} named={named} /></p>)}
      <div className="row">
        {onRetry === undefined ? null : <Button small onPress={onRetry}>Try again</Button>}
        {code === undefined ? null : <span className="muted small">API error {code}</span>}
      </div>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

interface QueryLike<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}

/** Data once it is there; what was read before stays, with a note, when reading it again fails. */
export function Loaded<T>({ query, lines, loading, children }: { query: QueryLike<T>; lines?: number; loading?: ReactNode; children: (data: T) => ReactNode }) {
  const failed = query.error === null || query.error === undefined ? null : <Failed error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return failed ?? loading ?? <Loading {...(lines === undefined ? {} : { lines })} />;
  return (
    <>
      {failed}
      {children(query.data)}
    </>
  );
}
