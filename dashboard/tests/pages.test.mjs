// Every page, light and wide, then dark and 360 px: nothing serious for axe, no sideways scrolling, no complaint of the browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setUp, signedIn, skip, until } from "./harness.mjs";

const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const world = setUp();

/** Address, and what to do there before it is looked at. */
function pages(facts) {
  const [inventory, , billing] = facts.services;
  const service = `/services/${inventory.service_id}`;
  const open = async (page) => {
    await page.locator(".event-head").first().click();
    await page.locator(".event-body").first().waitFor();
  };
  return [
    ["/"],
    ["/services"],
    ["/services/new", async (page) => { await page.getByText("Timeouts, limits and policy").click(); await page.getByRole("button", { name: "Create", exact: true }).click(); await page.getByText("Give the service a name.").waitFor(); }],
    [`${service}?range=6h`, open],
    [`${service}/settings`],
    [`${service}/used-by`],
    [`/services/${billing.service_id}/diagnose?scheme=https`, async (page) => { await page.getByRole("button", { name: "Diagnose" }).click(); await page.getByText("The same through each connector").waitFor(); }],
    ["/tunnels"],
    ["/tunnels/new"],
    [`/tunnels/${facts.tunnels[1].id}`, async (page) => { await page.getByRole("button", { name: "Show the commands and the token" }).click(); await page.getByText("With culvert").waitFor(); }],
    [`/tunnels/${facts.tunnels[0].id}/metrics?range=6h`],
    ["/workers"],
    ["/workers/shop?range=6h"],
    ["/workers/shop/logs", open],
    ["/workers/shop/deployments"],
    ["/workers/shop/bindings"],
    ["/workers/shop/settings"],
    ["/errors"],
    ["/errors/dns_error"],
    ["/access/tokens"],
    ["/access/audit", open],
    ["/nowhere"],
  ];
}

for (const [colorScheme, width] of [["light", 1280], ["dark", 360]]) {
  test(`every page, ${colorScheme}, ${width} px`, { skip, timeout: 1_800_000 }, async () => {
    const page = await signedIn(world, "/", { width, colorScheme });
    for (const [path, act] of pages(world.mock.facts)) {
      await page.goto(world.mock.url + path);
      await page.locator("h1").first().waitFor();
      await act?.(page);
      await until(async () => (await page.locator(".skeleton").count()) === 0, `${path} is loaded`);
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(sideways, 0, `${path} scrolls sideways by ${sideways} px`);
      // Not as a script element: the policy would refuse it, as it should.
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`), [], path);
    }
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}
