/**
 * A chart over time: uPlot on a canvas, with a legend that follows the pointer, and the same numbers as a table for those who do not see it.
 * Dragging over it chooses a range. Knows nothing of what it draws.
 */

import { useEffect, useId, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { extents } from "../model/columns";
import { stack } from "../model/series";
import { formatTime, formatUtc } from "../model/time";
import { Disclosure } from "./disclosure";
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

/** With fewer columns of pixels than this for a bar, or a point of a line, single ones are hard to tell apart. */
const CROWDED = { "stacked-bars": 3, lines: 2 } as const;

/** In pixels. */
const LINE_WIDTH = 1.75;

/** A bar's share of the room between two times, and its greatest width in pixels. */
const BAR_SHARE = 0.82;
const BAR_WIDTH = 28;

/** In seconds: what a single point stands for. */
const SHORTEST_STEP = 60;

/** Whether a chart has so many points that it is drawn by columns of pixels. */
function isCrowded(plot: uPlot, kind: ChartProps["kind"]): boolean {
  return plot.data[0].length * CROWDED[kind] > plot.bbox.width;
}

/** Where a value stands on the canvas. */
function heightsOf({ bbox, scales }: uPlot): (value: number) => number {
  const bottom = scales.y?.min ?? 0;
  const scale = bbox.height / ((scales.y?.max ?? 1) - bottom);
  return (value) => bbox.top + bbox.height - (value - bottom) * scale;
}

const linear = uPlot.paths.linear?.();

/** uPlot's own paths while there is room for each point; a line is drawn by `drawColumns` where there is not. */
const linePaths: uPlot.Series.PathBuilder = (plot, series, first, last) => (isCrowded(plot, "lines") ? null : (linear?.(plot, series, first, last) ?? null));

/** A line column by column: upright rectangles cost a fraction of what a path of as many corners does, and look the same. */
function drawColumns(plot: uPlot, series: number, colour: string): void {
  const { ctx, bbox, scales, data } = plot;
  const { lowest, highest } = extents(data[0], data[series] ?? [], scales.x?.min ?? 0, scales.x?.max ?? 1, Math.round(bbox.width), false);
  const y = heightsOf(plot);
  // Where values run into a band, a hairline shows more of it; and its edges need not be smoothed between two pixels, which takes longer than the rectangle.
  const band = data[0].length > bbox.width;
  const thickness = (band ? 1 : LINE_WIDTH) * window.devicePixelRatio;
  const place = (value: number) => (band ? Math.round(value) : value);
  const left = Math.round(bbox.left);
  ctx.fillStyle = colour;
  for (let column = 0; column < highest.length; column += 1) {
    const upper = place(y(highest[column] ?? NaN) - thickness / 2);
    // No value is no rectangle.
    if (upper === upper) ctx.fillRect(left + column, upper, 1, place(y(lowest[column] ?? NaN) + thickness / 2) - upper);
  }
}

/** All bars of a chart, of each only what the next one does not cover; as rectangles, of which uPlot's paths of some hundred take a tenth of a second. */
function drawBars(plot: uPlot, colours: readonly string[]): void {
  const { ctx, bbox, scales, data } = plot;
  const [from, to] = [scales.x?.min ?? 0, scales.x?.max ?? 1];
  const times = data[0];
  const crowded = isCrowded(plot, "stacked-bars");
  const tops = colours.map((_, index): ArrayLike<number | null | undefined> => {
    const values = data[index + 1] ?? [];
    return crowded ? extents(times, values, from, to, Math.round(bbox.width), true).highest : values;
  });
  const y = heightsOf(plot);
  const floor = Math.round(bbox.top + bbox.height);
  const scale = bbox.width / (to - from);
  const room = crowded ? 1 : ((times[1] ?? to) - (times[0] ?? from)) * scale;
  const width = crowded ? 1 : Math.max(1, Math.round(Math.min(room * BAR_SHARE, BAR_WIDTH * window.devicePixelRatio)));
  const left = (bar: number) => Math.round(bbox.left + (crowded ? bar : ((times[bar] ?? from) - from) * scale));
  colours.forEach((colour, index) => {
    ctx.fillStyle = colour;
    const bars = tops[index]?.length ?? 0;
    for (let bar = 0; bar < bars; bar += 1) {
      const sum = tops[index]?.[bar] ?? 0;
      const below = index + 1 < colours.length ? (tops[index + 1]?.[bar] ?? 0) : 0;
      if (!(sum > below)) continue;
      const lower = below > 0 ? Math.round(y(below)) : floor;
      // One failure among thousands is to be seen as well.
      const upper = Math.min(Math.round(y(sum)), lower - 1);
      ctx.fillRect(left(bar), upper, width, lower - upper);
    }
  });
}

/** As much room as the longest label needs. */
function labelRoom(font: string): (plot: uPlot, labels: string[] | null) => number {
  return (plot, labels) => {
    plot.ctx.font = font;
    return Math.ceil(Math.max(0, ...(labels ?? []).map((label) => plot.ctx.measureText(label).width))) + 12;
  };
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** The nearest of some moments. */
function nearest(moments: readonly number[], at: number): number {
  return moments.reduce((best, moment) => (Math.abs(moment - at) < Math.abs(best - at) ? moment : best), moments[0] ?? at);
}

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
    let ticks: readonly number[] = [];
    // The tallest sum is drawn first, so that each series covers what is not its own.
    const order = bars ? drawn.map((_, index) => drawn.length - 1 - index) : drawn.map((_, index) => index);
    const colours = order.map((index) => resolve(element, `series-${drawn[index]?.colour ?? "1"}`));
    const plot = new uPlot(
      {
        width: Math.max(element.clientWidth, 100),
        height,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { show: !bars }, ...(sync === undefined ? {} : { sync: { key: sync } }) },
        // A bar stands right of its time, the newest one too, and the only one.
        scales: { ...(bars ? { x: { range: (self: uPlot, min: number, max: number): [number, number] => [min, max + ((self.data[0][1] ?? min + SHORTEST_STEP) - (self.data[0][0] ?? min))] } } : {}), y: { range: (_, __, max) => [0, Number.isFinite(max) && max > 0 ? max * 1.1 : 1] } },
        axes: [
          {
            stroke: text, font, grid: { show: false }, ticks: { stroke: grid, width: 1, size: 4 }, space: 70, size: 44,
            values: (_, splits, __, ___, increment) => {
              ticks = splits;
              return splits.map((tick, index) => tickLabel(tick, splits[index - 1], increment));
            },
          },
          {
            stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: labelRoom(font), space: 26, ...(unit === undefined ? {} : { incrs: TICKS[unit] }),
            values: (_, splits) => splits.map((tick) => latest.current.format(tick)),
          },
        ],
        series: [
          {},
          ...order.map((index, place): uPlot.Series => {
            const colour = colours[place] ?? text;
            if (bars) return { label: drawn[index]?.label ?? "", points: { show: false }, paths: () => null };
            return {
              label: drawn[index]?.label ?? "",
              stroke: colour,
              width: LINE_WIDTH,
              points: { show: true, size: 5, width: 0, stroke: colour, fill: colour, filter: (self, seriesIndex) => (isCrowded(self, kind) ? [] : lonely(self.data[seriesIndex] ?? [])) },
              spanGaps: false,
              paths: linePaths,
            };
          }),
        ],
        hooks: {
          drawSeries: [(self, index) => {
            if (bars && index === 1) drawBars(self, colours);
            else if (!bars && isCrowded(self, kind)) drawColumns(self, index, colours[index - 1] ?? text);
          }],
          setCursor: [(self) => {
            const index = self.cursor.idx ?? null;
            self.over.title = index === null ? "" : formatUtc((self.data[0][index] ?? 0) * 1000);
            setAt(index);
          }],
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
    // Its labels are on the canvas, which has no parts to point at.
    const axis = plot.root.querySelector<HTMLElement>(".u-axis");
    axis?.addEventListener("pointermove", ({ offsetX }) => { axis.title = formatUtc(nearest(ticks, plot.posToVal(offsetX, "x")) * 1000); });
    const resized = new ResizeObserver(() => plot.setSize({ width: Math.max(element.clientWidth, 100), height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, [shape, kind, height, theme]);

  useEffect(() => {
    const plot = chart.current;
    if (plot === null) return;
    const columns = kind === "stacked-bars" ? stack(series.map((item) => item.values)).reverse() : series.map((item) => item.values);
    plot.setData([times, ...columns] as uPlot.AlignedData);
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
      <Disclosure name={`table-${label.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`} summary="As a table">
        <NumbersTable label={label} times={times} series={series} format={format} />
      </Disclosure>
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
