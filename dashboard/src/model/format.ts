/** Numbers as people read them. */

const WHOLE = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function formatCount(value: number): string {
  return WHOLE.format(Math.round(value));
}

/** For axes and cards: `12.3K`. */
export function formatCompact(value: number): string {
  return Math.abs(value) < 10_000 ? WHOLE.format(Math.round(value * 100) / 100) : COMPACT.format(value);
}

/** Milliseconds with three digits that count: `0.42 ms`, `12.4 ms`, `3.20 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return "0 ms";
  if (milliseconds >= 120_000) return `${(milliseconds / 60_000).toFixed(1)} min`;
  if (milliseconds >= 1_000) return `${(milliseconds / 1_000).toPrecision(3)} s`;
  if (milliseconds >= 100) return `${Math.round(milliseconds)} ms`;
  if (milliseconds >= 0.01) return `${Number(milliseconds.toPrecision(3))} ms`;
  return `${Number((milliseconds * 1_000).toPrecision(2))} µs`;
}

/** Bytes in units of 1,024. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))} ${units[unit] ?? ""}`;
}

/** A share of one as a percentage, never rounded up to 100 % or down to 0 %. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return "–";
  const percent = (part / whole) * 100;
  if (percent === 0 || percent === 100) return `${percent} %`;
  if (percent > 99.99) return "> 99.99 %";
  if (percent < 0.01) return "< 0.01 %";
  const digits = percent > 99 || percent < 1 ? 2 : 1;
  return `${Number(percent.toFixed(digits))} %`;
}

/** The first eight characters of an identifier. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
