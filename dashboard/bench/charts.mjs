// `npm run bench [-- FRAMES]`: how long Chromium takes to draw the dashboard's charts when every point changes in every frame. CPU time is that of the
// page's own thread, so that what else the machine does counts little; frames per second are what came out of this machine now.

import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { launch } from "../tests/harness.mjs";

const FRAMES = Number(process.argv[2] ?? 240);
const server = await createServer({ configFile: fileURLToPath(new URL("../vite.config.ts", import.meta.url)), root: fileURLToPath(new URL("..", import.meta.url)), server: { port: 0, host: "127.0.0.1" }, logLevel: "warn" });
await server.listen();
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
page.setDefaultTimeout(600_000);
page.on("pageerror", (error) => console.error(error));
await page.goto(`http://127.0.0.1:${server.httpServer.address().port}/bench/charts.html`);
await page.waitForFunction(() => window.draw !== undefined);
const session = await page.context().newCDPSession(page);
await session.send("Performance.enable", { timeDomain: "threadTicks" });
const busy = async () => {
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
};
for (const kind of ["lines", "stacked-bars"]) {
  await page.evaluate(([what]) => window.draw(what, 10_000, 20), [kind]);
  const before = await busy();
  const length = await page.evaluate(([what, frames]) => window.draw(what, 10_000, frames), [kind, FRAMES]);
  const cpu = (await busy()) - before;
  console.log(`${kind}, 10,000 points, ${FRAMES} frames: ${(cpu / FRAMES).toFixed(1)} ms of CPU a frame (${Math.floor(1000 / (cpu / FRAMES))} a second), ${(FRAMES / (length / 1000)).toFixed(0)} frames per second now`);
}
await browser.close();
await server.close();
