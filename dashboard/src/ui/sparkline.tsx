/** A small bar chart in a line of a table: all attempts, those that failed at the foot, those that were given up on top. */

import type { Point } from "../api/types";
import { succeeded, total, type Counts } from "../model/counts";
import { formatCount } from "../model/format";
import { steps } from "../model/series";

export interface SparklineProps {
  range: { since: number; until: number; step: number | null };
  points: readonly Point<Counts>[];
  /** For those who do not see it. */
  label: string;
}

const WIDTH = 110;
const HEIGHT = 26;

export function Sparkline({ range, points, label }: SparklineProps) {
  const times = steps(range);
  const byTime = new Map(points.map((point) => [point.at / 1000, point]));
  // As many bars as can be told apart.
  const per = Math.max(1, Math.ceil(times.length / 36));
  const bars: Required<Counts>[] = [];
  for (let index = 0; index < times.length; index += per) bars.push(total(times.slice(index, index + per).flatMap((time) => byTime.get(time) ?? [])));
  const highest = Math.max(1, ...bars.map((bar) => bar.count));
  const { count, failed, canceled } = total(bars);
  const width = WIDTH / Math.max(1, bars.length);
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${label}: ${formatCount(count)} in all, ${formatCount(failed)} failed${canceled === 0 ? "" : `, ${formatCount(canceled)} canceled`}`}>
      <line className="base" x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
      {bars.map((bar, index) => {
        if (bar.count === 0) return null;
        const height = Math.max(1.5, (bar.count / highest) * (HEIGHT - 1));
        const bad = bar.failed === 0 ? 0 : Math.max(1.5, (bar.failed / bar.count) * height);
        const rest = succeeded(bar) === 0 ? height - bad : (bar.canceled / bar.count) * height;
        const x = index * width;
        return (
          <g key={index}>
            {bad + rest < height ? <rect className="ok" x={x} width={Math.max(1, width - 0.8)} y={HEIGHT - height + rest} height={height - bad - rest} /> : null}
            {rest > 0 ? <rect className="rest" x={x} width={Math.max(1, width - 0.8)} y={HEIGHT - height} height={rest} /> : null}
            {bad > 0 ? <rect className="bad" x={x} width={Math.max(1, width - 0.8)} y={HEIGHT - bad} height={bad} /> : null}
          </g>
        );
      })}
    </svg>
  );
}
