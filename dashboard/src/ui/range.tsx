/** The range of time of a page, kept in its address: `range=6h`, or `since` and `until`. */

import { useState } from "react";
import { DEFAULT_PRESET, formatTime, formatUtc, PRESETS, readRange, toLocalInput, type Range } from "../model/time";
import { useAddress } from "./address";
import { Button, SelectInput, TextInput } from "./controls";
import { DialogFrame } from "./dialog";
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
    choose: (since, until) => change({ range: null, since: String(since), until: String(until) }, { replace: false }),
  };
}

const FIXED = "fixed";
const OTHER = "other";

export function RangePicker({ fallback = DEFAULT_PRESET }: { fallback?: string }) {
  const { range } = useRange(fallback);
  const [, change] = useAddress();
  const [open, setOpen] = useState(false);
  const options = [
    ...(range.preset === null ? [{ id: FIXED, label: `${formatTime(range.since, "short")} – ${formatTime(range.until, "short")}` }] : []),
    ...PRESETS.map(({ id, label }) => ({ id, label })),
    { id: OTHER, label: "From … to …" },
  ];
  const choose = (id: string) => {
    if (id === OTHER) setOpen(true);
    else if (id !== FIXED) change({ range: id === fallback ? null : id, since: null, until: null }, { replace: false });
  };
  return (
    <>
      <div title={range.preset === null ? `${formatUtc(range.since)} – ${formatUtc(range.until)}` : undefined}>
        <SelectInput label="Time" compact value={range.preset?.id ?? FIXED} options={options} onChange={choose} />
      </div>
      <DialogFrame title="Time range" open={open} onClose={() => setOpen(false)}>
        <FixedRange range={range} onClose={() => setOpen(false)} onChoose={(since, until) => change({ range: null, since: String(since), until: String(until) }, { replace: false })} />
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
      <p className="muted small">In your time zone, {Intl.DateTimeFormat().resolvedOptions().timeZone}.</p>
      <div className="dialog-actions">
        <Button onPress={onClose}>Cancel</Button>
        <Button look="primary" isDisabled={wrong !== undefined} onPress={() => { onChoose(from, to); onClose(); }}>Show</Button>
      </div>
    </>
  );
}
