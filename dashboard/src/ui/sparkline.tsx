/** A small bar chart in a line of a table: all attempts, the failed share of each in the failures' colour. */

import type { Point } from "../api/types";
import { formatCount } from "../model/format";
import { steps } from "../model/series";

export interface SparklineProps {
  range: { since: number; until: number; step: number | null };
  points: readonly Point<{ count: number; failed: number }>[];
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
  const bars: { count: number; failed: number }[] = [];
  for (let index = 0; index < times.length; index += per) {
    const bar = { count: 0, failed: 0 };
    for (const time of times.slice(index, index + per)) {
      const point = byTime.get(time);
      bar.count += point?.count ?? 0;
      bar.failed += point?.failed ?? 0;
    }
    bars.push(bar);
  }
  const highest = Math.max(1, ...bars.map((bar) => bar.count));
  const count = bars.reduce((sum, bar) => sum + bar.count, 0);
  const failed = bars.reduce((sum, bar) => sum + bar.failed, 0);
  const width = WIDTH / Math.max(1, bars.length);
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${label}: ${formatCount(count)} in all, ${formatCount(failed)} failed`}>
      <line className="base" x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
      {bars.map((bar, index) => {
        if (bar.count === 0) return null;
        const height = Math.max(1.5, (bar.count / highest) * (HEIGHT - 1));
        const bad = bar.failed === 0 ? 0 : Math.max(1.5, (bar.failed / bar.count) * height);
        const x = index * width;
        return (
          <g key={index}>
            {bad < height ? <rect className="ok" x={x} width={Math.max(1, width - 0.8)} y={HEIGHT - height} height={height - bad} /> : null}
            {bad > 0 ? <rect className="bad" x={x} width={Math.max(1, width - 0.8)} y={HEIGHT - bad} height={bad} /> : null}
          </g>
        );
      })}
    </svg>
  );
}
