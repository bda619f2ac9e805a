/** What is to be seen of a series in each column of pixels, however many values fall into one. Pure. */

export interface Columns {
  /** The lowest and the highest value of each column; NaN where there is none. */
  lowest: Float64Array;
  highest: Float64Array;
}

/**
 * The extent of a series in each of `width` columns between the times `from` and `to`: of the line from value to value, or, where values `stay`,
 * of the steps that they make. A missing value breaks it.
 */
export function extents(times: ArrayLike<number>, values: ArrayLike<number | null | undefined>, from: number, to: number, width: number, stay: boolean): Columns {
  const lowest = new Float64Array(width).fill(NaN);
  const highest = new Float64Array(width).fill(NaN);
  // Comparisons with NaN are false: the first value of a column is both.
  const reach = (column: number, value: number) => {
    if (!((lowest[column] ?? NaN) <= value)) lowest[column] = value;
    if (!((highest[column] ?? NaN) >= value)) highest[column] = value;
  };
  const scale = width / (to - from);
  const place = (index: number) => ((times[index] ?? NaN) - from) * scale;
  for (let index = 0; index < times.length; index += 1) {
    const value = values[index];
    if (value === null || value === undefined) continue;
    const x = place(index);
    const next = values[index + 1] ?? null;
    // The last time may stand on the right edge, and belongs to the last column.
    const first = x === width ? width - 1 : Math.floor(x);
    const end = next === null ? x : place(index + 1);
    if (first >= 0 && first < width) reach(first, value);
    for (let border = Math.max(first + 1, 0); border <= end && border <= width; border += 1) {
      const there = stay || next === null ? value : value + (next - value) * (border - x) / (end - x);
      // A line comes to the border on one side and goes on from it on the other; at a bar's end begins the next bar.
      if (border > 0 && !stay) reach(border - 1, there);
      if (border < end && border < width) reach(border, there);
    }
  }
  return { lowest, highest };
}
