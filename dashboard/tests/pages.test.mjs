// Every page of a program with services in every kind of trouble, light and wide, then dark and at 360 px: nothing serious for axe, no sideways
// scrolling, no complaint of the browser, nothing that the API's document does not say.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { choose } from "./harness.mjs";
import { pages } from "./addresses.mjs";
import { finish, inspect, loaded, setUp, signedIn, skip } from "./real.mjs";
import { startWorld } from "./world.mjs";

describe("a program with every kind of trouble", { skip, timeout: 1_800_000 }, () => {
  const world = setUp(async (_, { traffic }) => { await traffic(2); }, startWorld);

  for (const [colorScheme, width] of [["light", 1280], ["dark", 360]]) {
    test(`every page, ${colorScheme}, ${width} px`, async () => {
      const page = await signedIn(world, "/", { width, colorScheme });
      for (const [name, [path, act, refused = false]] of Object.entries(await pages(world.program.api))) {
        await page.goto(world.program.url + path);
        await page.locator("h1").first().waitFor();
        await loaded(page, name);
        await act?.(page);
        await loaded(page, name);
        if (!refused) assert.equal(await page.locator(".note[role=alert]").count(), 0, `${name} shows an error: ${await page.locator(".note[role=alert]").allInnerTexts()}`);
        await inspect(page, name);
      }
      await finish(page);
    });
  }

  test("the overview has what there is and what fails, in the API's numbers", async () => {
    const page = await signedIn(world, "/");
    const { api } = world.program;
    const card = async (label) => (await page.locator(".card", { hasText: label }).locator(".card-value").innerText()).trim();
    await loaded(page);
    assert.equal(await card("VPC Services"), String((await api("/connectivity/directory/services?per_page=100")).length));
    assert.equal(await card("Tunnels"), String((await api("/cfd_tunnel?is_deleted=false")).length));
    assert.equal(await card("Workers"), String((await api("/workers/scripts")).length));
    await page.getByRole("table", { name: "Services in trouble" }).getByRole("row", { name: /^payments/ }).getByText("connection_refused").waitFor();
    const { groups } = await api(`/connectivity/metrics?by=code&since=${Date.now() - 900_000}&until=${Date.now()}`);
    const failures = groups.filter(({ key }) => key.code !== null);
    const rows = page.getByRole("table", { name: "Failures now" }).locator("tbody tr");
    if (await page.getByRole("button", { name: /^Show all/ }).count() > 0) await page.getByRole("button", { name: /^Show all/ }).click();
    assert.equal(await rows.count(), failures.length);
    const texts = (await rows.allInnerTexts()).map((text) => text.split("\t").map((cell) => cell.trim()));
    for (const { key, count } of failures) assert.ok(texts.some((row) => row[0] === key.code && row[1] === key.category && row[2] === String(count)), `${key.code} ${key.category} ${count}: ${texts.join("; ")}`);
    await finish(page);
  });

  test("a range is typed in, in the reader's zone", async () => {
    const { id } = (await world.program.api("/cfd_tunnel?is_deleted=false")).find(({ name }) => name === "warehouse");
    const page = await signedIn(world, `/tunnels/${id}/metrics`);
    await choose(page, "Time", "From … to …");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("From", { exact: true }).fill("2020-01-01T00:00");
    await dialog.getByLabel("To", { exact: true }).fill("2019-01-01T00:00");
    await dialog.getByText("The end must be after the beginning.").waitFor();
    await dialog.getByLabel("To", { exact: true }).fill("2020-01-01T01:00");
    await dialog.getByText("In UTC: 2019-12-31 23:00 to 2020-01-01 00:00.").waitFor();
    await dialog.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText("Nothing went through this tunnel in this range").waitFor();
    // Midnight in Vienna is an hour earlier in UTC.
    await dialog.waitFor({ state: "detached" });
    assert.equal(new URL(page.url()).searchParams.get("dialog"), null);
    assert.equal(new URL(page.url()).searchParams.get("since"), String(Date.UTC(2019, 11, 31, 23)));
    await finish(page);
  });
});
