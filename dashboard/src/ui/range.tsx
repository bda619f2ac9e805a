/** The range of time of a page, kept in its address: `range=6h`, or `since` and `until`. */

import { useState } from "react";
import { DEFAULT_PRESET, formatTime, formatUtc, formatUtcMinute, PRESETS, readRange, toLocalInput, ZONE, type Range } from "../model/time";
import { useAddress, type Changes } from "./address";
import { Button, SelectInput, TextInput } from "./controls";
import { DialogFrame, useDialog } from "./dialog";
import { useNow } from "./page";

export interface RangeState {
  range: Range;
  /** A range that stands still, as one drags over a chart. */
  choose: (since: number, until: number) => void;
}

export function useRange(fallback = DEFAULT_PRESET): RangeState {
  const [params, change] = useAddress();
  const now = useNow();
  return {
    range: readRange(params, now, fallback),
    choose: (since, until) => change({ ...fixed(since, until), pages: null }, { replace: false }),
  };
}

function fixed(since: number, until: number): Changes {
  return { range: null, since: String(since), until: String(until) };
}

const FIXED = "fixed";
const OTHER = "other";

export function RangePicker({ fallback = DEFAULT_PRESET }: { fallback?: string }) {
  const { range } = useRange(fallback);
  const [, change] = useAddress();
  const asked = useDialog("range");
  const options = [
    ...(range.preset === null ? [{ id: FIXED, label: `${formatTime(range.since, "short")} – ${formatTime(range.until, "short")}` }] : []),
    ...PRESETS.map(({ id, label }) => ({ id, label })),
    { id: OTHER, label: "From … to …" },
  ];
  const choose = (id: string) => {
    if (id === OTHER) asked.open();
    else if (id !== FIXED) change({ range: id === fallback ? null : id, since: null, until: null, pages: null }, { replace: false });
  };
  return (
    <>
      <div title={range.preset === null ? `${formatUtc(range.since)} – ${formatUtc(range.until)}` : undefined}>
        <SelectInput label="Time" compact value={range.preset?.id ?? FIXED} options={options} onChange={choose} />
      </div>
      <DialogFrame title="Time range" open={asked.of !== null} onClose={asked.close}>
        <FixedRange range={range} onClose={asked.close} onChoose={(since, until) => asked.done({ ...fixed(since, until), pages: null })} />
      </DialogFrame>
    </>
  );
}

function FixedRange({ range, onClose, onChoose }: { range: Range; onClose: () => void; onChoose: (since: number, until: number) => void }) {
  const [since, setSince] = useState(toLocalInput(range.since));
  const [until, setUntil] = useState(toLocalInput(range.until));
  const from = new Date(since).getTime();
  const to = new Date(until).getTime();
  const wrong = Number.isFinite(from) && Number.isFinite(to) && from < to ? undefined : "The end must be after the beginning.";
  return (
    <>
      <div className="form-grid">
        <TextInput label="From" type="datetime-local" value={since} onChange={setSince} />
        <TextInput label="To" type="datetime-local" value={until} onChange={setUntil} wrong={wrong} />
      </div>
      <p className="muted small">In your time zone, {ZONE}.{wrong === undefined ? ` In UTC: ${formatUtcMinute(from)} to ${formatUtcMinute(to)}.` : ""}</p>
      <div className="dialog-actions">
        <Button onPress={onClose}>Cancel</Button>
        <Button look="primary" isDisabled={wrong !== undefined} onPress={() => onChoose(from, to)}>Show</Button>
      </div>
    </>
  );
}
