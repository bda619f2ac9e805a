// `npm run bench [-- FRAMES]`: what a frame costs in which every point of one of the dashboard's charts changes, as users have it: the chart of
// `src/ui/chart.tsx` in a build for production. CPU time is that of the page's own thread, from the new numbers to the painted picture, and does not
// count what else the machine does; frames per second are what came out of this machine now.

import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, preview } from "vite";
import { launch } from "../tests/harness.mjs";

const TIMES = 10_000;
const FRAMES = Number(process.argv[2] ?? 240);
const root = fileURLToPath(new URL("..", import.meta.url));
const outDir = mkdtempSync(join(tmpdir(), "culvert-charts-"));
const common = { configFile: join(root, "vite.config.ts"), root, logLevel: "warn", build: { outDir, emptyOutDir: true, rolldownOptions: { input: join(root, "bench/charts.html") } } };
await build(common);
const server = await preview({ ...common, preview: { port: 0, host: "127.0.0.1", proxy: {} } });
const browser = await launch();

/** The value below which a share of them lies. */
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const words = (values) => `median ${quantile(values, 0.5).toFixed(1)} ms, p99 ${quantile(values, 0.99).toFixed(1)} ms`;

try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(600_000);
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`${server.resolvedUrls.local[0]}bench/charts.html`);
  await page.waitForFunction(() => window.run !== undefined);
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  };
  for (const [name, what] of [["line", "one line"], ["quantiles", "three lines"], ["bars", "three stacked bars"]]) {
    await page.evaluate(([which, times]) => window.prepare(which, times), [name, TIMES]);
    await page.evaluate(() => window.run(30));
    const cpu = [];
    for (let frame = 0; frame < FRAMES; frame += 1) {
      const before = await busy();
      await page.evaluate(() => window.frame());
      cpu.push((await busy()) - before);
    }
    const { each, between } = await page.evaluate((frames) => window.run(frames), FRAMES);
    console.log(`${what} over ${TIMES.toLocaleString("en")} times: CPU a frame ${words(cpu)}; until it is painted ${words(each)}; ${(1000 / quantile(between, 0.5)).toFixed(0)} frames per second at the median, ${(1000 / mean(between)).toFixed(0)} on average (load ${loadavg()[0].toFixed(1)})`);
  }
} finally {
  await browser.close();
  await server.close();
  rmSync(outDir, { recursive: true });
}
