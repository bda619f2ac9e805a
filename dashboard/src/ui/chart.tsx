/**
 * A chart over time: uPlot on a canvas, with a legend that follows the pointer, and the same numbers as a table for those who do not see it.
 * Dragging over it chooses a range. Knows nothing of what it draws.
 */

import { useEffect, useId, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { stack } from "../model/series";
import { formatTime, formatUtc } from "../model/time";
import { ScrollRegion } from "./scroll-region";

export interface Series {
  label: string;
  /** The token of `base.css`, and the swatch's class. */
  colour: "ok" | "upstream" | "client" | "internal" | "1" | "2" | "3";
  values: (number | null)[];
}

export interface ChartProps {
  label: string;
  /** Seconds since 1970. */
  times: readonly number[];
  series: readonly Series[];
  kind: "lines" | "stacked-bars";
  format: (value: number) => string;
  /** What is counted has ticks at whole numbers, what are bytes at powers of two. */
  unit?: "count" | "bytes";
  /** What the legend shows while nothing is pointed at, by series. */
  totals?: readonly string[];
  onRange?: ((since: number, until: number) => void) | undefined;
  /** Charts with the same key show the same moment. */
  sync?: string;
  height?: number;
}

/** A token's colour, as the canvas takes it. */
function resolve(element: Element, token: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${token})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

const TICKS = {
  bytes: Array.from({ length: 48 }, (_, power) => 2 ** power),
  count: Array.from({ length: 15 }, (_, power) => [1, 2, 5].map((first) => first * 10 ** power)).flat(),
};

/** A value with none on either side: a line cannot show it, so a point does. */
function lonely(values: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  let before = false;
  for (let index = 0; index < values.length; index += 1) {
    const here = (values[index] ?? null) !== null;
    if (here && !before && (values[index + 1] ?? null) === null) found.push(index);
    before = here;
  }
  return found;
}

/** Bars while each has room, and an area where there are more of them than half the columns of pixels: it looks the same, and is drawn ten times as fast. */
function barsOrArea(): uPlot.Series.PathBuilder | undefined {
  const bars = uPlot.paths.bars?.({ size: [0.82, 28], align: 1 });
  const area = uPlot.paths.linear?.();
  if (bars === undefined || area === undefined) return bars;
  return (plot, series, first, last) => ((last - first) * 2 > plot.bbox.width ? area : bars)(plot, series, first, last);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** A tick of the time axis in the reader's zone: the time, and the day below it where it changes. */
function tickLabel(tick: number, before: number | undefined, increment: number): string {
  const day = DAY.format(tick * 1000);
  if (increment >= 86_400) return day;
  const clock = CLOCK.format(tick * 1000);
  return before === undefined || DAY.format(before * 1000) !== day ? `${clock}\n${day}` : clock;
}

export function Chart(props: ChartProps) {
  const { label, times, series, kind, format, totals, height = 190 } = props;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  const [at, setAt] = useState<number | null>(null);
  const [theme, setTheme] = useState(0);
  const [open, setOpen] = useState(false);
  const heading = useId();

  useEffect(() => {
    latest.current = props;
  });

  // Another theme means other colours.
  useEffect(() => {
    const changed = () => setTheme((count) => count + 1);
    const media = window.matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", changed);
    const observer = new MutationObserver(changed);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      media.removeEventListener("change", changed);
      observer.disconnect();
    };
  }, []);

  const shape = series.map((item) => `${item.label}:${item.colour}`).join("|");
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const { series: drawn, sync, unit } = latest.current;
    const text = resolve(element, "muted");
    const grid = resolve(element, "grid");
    const font = `11px ${getComputedStyle(element).fontFamily}`;
    const bars = kind === "stacked-bars";
    // The tallest sum is drawn first, so that each series covers what is not its own.
    const order = bars ? drawn.map((_, index) => drawn.length - 1 - index) : drawn.map((_, index) => index);
    const plot = new uPlot(
      {
        width: Math.max(element.clientWidth, 100),
        height,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { show: !bars }, ...(sync === undefined ? {} : { sync: { key: sync } }) },
        // A bar stands right of its time, the newest one too.
        scales: { ...(bars ? { x: { range: (self: uPlot, min: number, max: number): [number, number] => [min, max + ((self.data[0][1] ?? 0) - (self.data[0][0] ?? 0))] } } : {}), y: { range: (_, __, max) => [0, Number.isFinite(max) && max > 0 ? max * 1.1 : 1] } },
        axes: [
          {
            stroke: text, font, grid: { show: false }, ticks: { stroke: grid, width: 1, size: 4 }, space: 70,
            values: (_, ticks, __, ___, increment) => ticks.map((tick, index) => tickLabel(tick, ticks[index - 1], increment)),
          },
          {
            stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: 62, space: 26, ...(unit === undefined ? {} : { incrs: TICKS[unit] }),
            values: (_, ticks) => ticks.map((tick) => latest.current.format(tick)),
          },
        ],
        series: [
          {},
          ...order.map((index): uPlot.Series => {
            const colour = resolve(element, `series-${drawn[index]?.colour ?? "1"}`);
            const paths = bars ? barsOrArea() : undefined;
            return {
              label: drawn[index]?.label ?? "",
              stroke: bars ? "transparent" : colour,
              width: bars ? 0 : 1.75,
              points: bars ? { show: false } : { show: true, size: 5, width: 0, stroke: colour, fill: colour, filter: (self, seriesIndex) => lonely(self.data[seriesIndex] ?? []) },
              spanGaps: false,
              ...(bars ? { fill: colour } : {}),
              ...(paths === undefined ? {} : { paths }),
            };
          }),
        ],
        hooks: {
          setCursor: [(self) => setAt(self.cursor.idx ?? null)],
          setSelect: [
            (self) => {
              if (self.select.width < 4) return;
              const since = self.posToVal(self.select.left, "x") * 1000;
              const until = self.posToVal(self.select.left + self.select.width, "x") * 1000;
              self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              latest.current.onRange?.(Math.floor(since), Math.ceil(until));
            },
          ],
        },
      },
      [[], ...drawn.map(() => [])],
      element,
    );
    chart.current = plot;
    const resized = new ResizeObserver(() => plot.setSize({ width: Math.max(element.clientWidth, 100), height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, [shape, kind, height, theme]);

  useEffect(() => {
    const columns = kind === "stacked-bars" ? stack(series.map((item) => item.values)).reverse() : series.map((item) => item.values);
    const plot = chart.current;
    if (plot === null) return;
    // More points than columns of pixels run into a band, for which a hairline is as clear, and several times as fast to draw.
    const dense = times.length > 2 * plot.width;
    plot.series.forEach((drawn, index) => {
      if (index > 0 && kind === "lines") drawn.width = dense ? 1 : 1.75;
    });
    plot.setData([[...times], ...columns] as uPlot.AlignedData);
  }, [times, series, kind, shape, theme]);

  const time = at === null ? undefined : times[at];
  return (
    <figure className="chart" aria-labelledby={heading}>
      <figcaption id={heading} className="visually-hidden">
        {label}{totals === undefined ? "" : `: ${series.map((item, index) => `${item.label} ${totals[index] ?? ""}`).join(", ")}`}
      </figcaption>
      <ul className="legend" aria-hidden="true">
        {series.map((item, index) => {
          const value = at === null ? undefined : item.values[at];
          return (
            <li key={item.label}>
              <i className={`swatch ${item.colour.length === 1 ? `s${item.colour}` : item.colour}`} />
              {item.label}
              <strong>{time === undefined ? totals?.[index] : value === null || value === undefined ? "–" : format(value)}</strong>
            </li>
          );
        })}
        {time === undefined ? null : <li className="muted" title={formatUtc(time * 1000)}>{formatTime(time * 1000, "short")}</li>}
      </ul>
      <div ref={box} className="chart-canvas" aria-hidden="true" />
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>As a table</summary>
        {open ? <NumbersTable label={label} times={times} series={series} format={format} /> : null}
      </details>
    </figure>
  );
}

function NumbersTable({ label, times, series, format }: Pick<ChartProps, "label" | "times" | "series" | "format">) {
  const rows = times.map((time, index) => ({ time, values: series.map((item) => item.values[index] ?? null) })).filter((row) => row.values.some((value) => value !== null && value !== 0));
  return (
    <ScrollRegion className="chart-table" label={`${label}, table`}>
      <table className="table" aria-label={`${label} as a table`}>
        <thead><tr><th scope="col">From</th>{series.map((item) => <th key={item.label} scope="col" className="end">{item.label}</th>)}</tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.time}>
              <td title={formatUtc(row.time * 1000)}>{formatTime(row.time * 1000, "short")}</td>
              {row.values.map((value, index) => <td key={index} className="end">{value === null ? "–" : format(value)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 ? <p className="muted">Nothing in this range.</p> : null}
    </ScrollRegion>
  );
}
