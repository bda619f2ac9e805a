/** Times and ranges: how they are written, and how a range stands in the address. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface Preset {
  id: string;
  label: string;
  length: number;
  /** Seconds per point: at most about 180 points a chart. */
  step: number;
}

export const PRESETS: readonly Preset[] = [
  { id: "15m", label: "Last 15 minutes", length: 15 * MINUTE, step: 60 },
  { id: "1h", label: "Last hour", length: HOUR, step: 60 },
  { id: "6h", label: "Last 6 hours", length: 6 * HOUR, step: 300 },
  { id: "24h", label: "Last 24 hours", length: DAY, step: 900 },
  { id: "7d", label: "Last 7 days", length: 7 * DAY, step: 3600 },
  { id: "30d", label: "Last 30 days", length: 30 * DAY, step: 21_600 },
];

export const DEFAULT_PRESET = "1h";

/** A range of time. One without a preset stands still; one with a preset ends now. */
export interface Range {
  preset: Preset | null;
  since: number;
  until: number;
  step: number;
}

/** Of what is kept for years a chart has a point a day. */
const LONGEST = 20 * 366 * DAY;

const STEPS = [60, 300, 900, 3600, 21_600, 86_400];

/** The finest step that gives at most `most` points. */
export function stepFor(length: number, most = 200): number {
  return STEPS.find((step) => length / (step * 1000) <= most) ?? 86_400;
}

/** Whether a number of milliseconds is a moment that a calendar has. */
export function isMoment(at: number): boolean {
  return !Number.isNaN(new Date(at).getTime());
}

/** Reads `range`, or `since` and `until` (milliseconds), of an address. What makes no sense is the default. */
export function readRange(params: URLSearchParams, now: number, fallback = DEFAULT_PRESET): Range {
  const since = Number(params.get("since") ?? NaN);
  const until = Number(params.get("until") ?? NaN);
  if (isMoment(since) && isMoment(until) && since >= 0 && since < until && until - since <= LONGEST) {
    return { preset: null, since, until, step: stepFor(until - since) };
  }
  const wanted = params.get("range") ?? fallback;
  const preset = PRESETS.find((item) => item.id === wanted) ?? PRESETS.find((item) => item.id === fallback) ?? PRESETS[1];
  if (preset === undefined) throw new Error("there is no preset");
  return { preset, since: now - preset.length, until: now, step: preset.step };
}

const FORMATS = {
  full: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" }),
  short: new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }),
  clock: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 }),
  precise: new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3,
    timeZoneName: "short",
  }),
};

const DAY_BEFORE = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const WITH_YEAR = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

/** A time in the reader's zone. The short forms leave out what is understood: the year of now, the day of now. */
export function formatTime(at: number, form: keyof typeof FORMATS, now = Date.now()): string {
  const then = new Date(at);
  const present = new Date(now);
  if (form === "short" && then.getFullYear() !== present.getFullYear()) return WITH_YEAR.format(at);
  if (form === "clock" && then.toDateString() !== present.toDateString()) return `${DAY_BEFORE.format(at)}, ${FORMATS.clock.format(at)}`;
  return FORMATS[form].format(at);
}

/** A time in UTC, to the millisecond. */
export function formatUtc(at: number): string {
  return new Date(at).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** A time in UTC as one types it: to the minute, without naming the zone. */
export function formatUtcMinute(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ");
}

/** The reader's zone, by its name. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" });

/** `3 minutes ago`. */
export function formatRelative(at: number, now: number): string {
  const distance = at - now;
  const size = Math.abs(distance);
  if (size < 5_000) return "just now";
  if (size < MINUTE) return RELATIVE.format(Math.round(distance / 1000), "second");
  if (size < HOUR) return RELATIVE.format(Math.round(distance / MINUTE), "minute");
  if (size < DAY) return RELATIVE.format(Math.round(distance / HOUR), "hour");
  return RELATIVE.format(Math.round(distance / DAY), "day");
}

/** The value of an `<input type="datetime-local">` in the reader's zone. */
export function toLocalInput(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}
