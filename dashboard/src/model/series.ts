/** From groups of sparse points to the columns that a chart draws. */

import type { Point } from "../api/types";

/** Every step of the range, in seconds since 1970. */
export function steps(metrics: { since: number; until: number; step: number | null }): number[] {
  if (metrics.step === null) return [];
  const length = metrics.step * 1000;
  const first = Math.floor(metrics.since / length) * length;
  const times: number[] = [];
  for (let at = first; at < metrics.until; at += length) times.push(at / 1000);
  return times;
}

/** One column: the points' values at each of the times, and `missing` where there is no point. */
export function column<M, T extends number | null>(
  times: readonly number[],
  points: readonly Point<M>[],
  value: (point: Point<M>) => number | null,
  missing: T,
): (number | T | null)[] {
  const byTime = new Map(points.map((point) => [point.at / 1000, point]));
  return times.map((time) => {
    const point = byTime.get(time);
    return point === undefined ? missing : value(point);
  });
}

/** Adds columns up, each on top of those before it. */
export function stack(columns: readonly (readonly (number | null)[])[]): Float64Array[] {
  let below: Float64Array | undefined;
  return columns.map((values) => {
    const sums = new Float64Array(values.length);
    for (let index = 0; index < values.length; index += 1) sums[index] = (below?.[index] ?? 0) + (values[index] ?? 0);
    below = sums;
    return sums;
  });
}
