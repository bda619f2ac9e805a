/** The dashboard's own chart with as many points as one likes, all of them new in every frame. */

import { useMemo } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import "../src/styles/base.css";
import "../src/styles/layout.css";
import "../src/styles/controls.css";
import "../src/styles/charts.css";
import { formatDuration } from "../src/model/format";
import { Chart, type ChartProps } from "../src/ui/chart";

const COLOURS = { lines: ["1"], "stacked-bars": ["upstream", "client", "internal"] } as const;

interface Frame {
  kind: ChartProps["kind"];
  points: number;
  number: number;
}

function Bench({ kind, points, number }: Frame) {
  const { times, series } = useMemo(() => {
    const colours = COLOURS[kind];
    const length = Math.floor(points / colours.length);
    return {
      times: Array.from({ length }, (_, index) => 1_795_000_000 + (number + index) * 60),
      series: colours.map((colour, row) => ({ label: colour, colour, values: Array.from({ length }, (_, index) => 40 + 30 * Math.sin((number + index) / 40 + row) + ((number + index) * 7919) % 17) })),
    };
  }, [kind, points, number]);
  return <Chart label="Bench" kind={kind} times={times} series={series} format={formatDuration} height={260} />;
}

declare global {
  interface Window {
    /** Draws `frames` frames, each when the browser asks for one, and says how long they took in milliseconds. */
    draw: (kind: ChartProps["kind"], points: number, frames: number) => Promise<number>;
  }
}

const element = document.getElementById("root");
if (element === null) throw new Error("charts.html has no #root");
const root = createRoot(element);

function show(frame: Frame): void {
  flushSync(() => root.render(<Bench {...frame} />));
}

const nextFrame = () => new Promise<number>((resolve) => { requestAnimationFrame(resolve); });

window.draw = async (kind, points, frames) => {
  show({ kind, points, number: 0 });
  const begun = await nextFrame();
  let at = begun;
  for (let number = 1; number <= frames; number += 1) {
    show({ kind, points, number });
    at = await nextFrame();
  }
  return at - begun;
};

