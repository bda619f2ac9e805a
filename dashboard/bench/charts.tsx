/** The dashboard's own chart with as many points as one likes, all of them new in every frame. */

import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import "../src/styles/base.css";
import "../src/styles/layout.css";
import "../src/styles/controls.css";
import "../src/styles/charts.css";
import { formatDuration } from "../src/model/format";
import { Chart, type ChartProps, type Series } from "../src/ui/chart";

const CASES = {
  line: { kind: "lines", colours: ["1"] },
  quantiles: { kind: "lines", colours: ["1", "2", "3"] },
  bars: { kind: "stacked-bars", colours: ["upstream", "client", "internal"] },
} as const satisfies Record<string, { kind: ChartProps["kind"]; colours: readonly Series["colour"][] }>;

interface Data {
  times: number[];
  series: Series[];
}

/** As many different pictures; the making of them is not the chart's work, and is not measured. */
const PICTURES = 12;

function picture(colours: readonly Series["colour"][], times: number, number: number): Data {
  const at = number * 61;
  return {
    times: Array.from({ length: times }, (_, index) => 1_795_000_000 + (at + index) * 60),
    // Every third series has holes, as quantiles have where nothing happened.
    series: colours.map((colour, row) => ({
      label: colour, colour,
      values: Array.from({ length: times }, (_, index) => (row === 2 && (at + index) % 97 === 0 ? null : 40 + 30 * Math.sin((at + index) / 40 + row) + ((at + index) * 7919) % 17)),
    })),
  };
}

const element = document.getElementById("root");
if (element === null) throw new Error("charts.html has no #root");
const root = createRoot(element);
let kind: ChartProps["kind"] = "lines";
let pictures: Data[] = [];
let drawn = 0;

function show(): void {
  const data = pictures[drawn % pictures.length];
  drawn += 1;
  if (data === undefined) throw new Error("nothing is prepared");
  flushSync(() => root.render(<Chart label="Bench" kind={kind} times={data.times} series={data.series} format={formatDuration} height={260} />));
}

const nextFrame = () => new Promise<number>((resolve) => { requestAnimationFrame(resolve); });

/** A message of its own comes when the browser has painted what the frame changed. */
const painted = () => new Promise<void>((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve();
  port2.postMessage(null);
});

declare global {
  interface Window {
    prepare: (name: keyof typeof CASES, times: number) => void;
    /** One frame, when the browser asks for one. */
    frame: () => Promise<void>;
    /** Draws a frame each time the browser asks for one: how long each took until it was painted, and from one frame to the next, in milliseconds. */
    run: (frames: number) => Promise<{ each: number[]; between: number[] }>;
  }
}

window.prepare = (name, times) => {
  kind = CASES[name].kind;
  pictures = Array.from({ length: PICTURES }, (_, number) => picture(CASES[name].colours, times, number));
  root.render(null);
};

window.frame = async () => {
  await nextFrame();
  show();
  await painted();
};

window.run = async (frames) => {
  const each: number[] = [];
  const between: number[] = [];
  let last = await nextFrame();
  for (let number = 0; number < frames; number += 1) {
    const begun = performance.now();
    show();
    await painted();
    each.push(performance.now() - begun);
    const next = await nextFrame();
    between.push(next - last);
    last = next;
  }
  return { each, between };
};
