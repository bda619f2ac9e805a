// A Worker's pages: metrics, logs, deployments, bindings and settings, over what real requests left.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { choose, params, until } from "./harness.mjs";
import { closedPort, privateService } from "./program.mjs";
import { button, cells, finish, reads, SERVICES, setUp, signedIn, skip, sum, workerMetrics } from "./real.mjs";

/** A tunnel, a service that answers and one that is not there, and two versions of a Worker that calls them. */
async function prepare(program) {
  const { api, addresses, directory } = program;
  const stock = await privateService("stock");
  const tunnel = await api("/cfd_tunnel", { method: "POST", body: { name: "lab", config_src: "cloudflare" } });
  program.shell([`culvert connect --edge ${addresses.tunnel} --ca ${join(directory, "tunnel-ca.pem")} --token ${tunnel.token}`]);
  await until(async () => (await api(`/cfd_tunnel/${tunnel.id}/connectors`)).length === 1, "a connector");
  const register = async (name, port) => (await api(SERVICES, { method: "POST", body: { name, type: "http", host: { ipv4: "127.0.0.1", network: { tunnel_id: tunnel.id } }, http_port: port } })).service_id;
  const services = { STOCK: await register("stock", stock.port), VAULT: await register("vault", await closedPort()) };
  await program.deploy({ STOCK: services.STOCK }, { message: "the first one" });
  await program.visit("/STOCK/7");
  await program.deploy(services, { message: "the second one" });
  await program.deploy({}, { name: "other" });
  for (let round = 0; round < 4; round += 1) await program.visit("/STOCK/7");
  await program.visit("/VAULT/x");
  return { stock, tunnel, services };
}

describe("a Worker", { skip, timeout: 1_800_000 }, () => {
  const world = setUp(prepare);

  test("a Worker's requests, failures and times are the API's", async () => {
    await world.program.visit("/throw/this");
    await world.program.visit("/spin");
    const page = await signedIn(world, "/workers/prober");
    const wanted = async () => workerMetrics(world, "worker=prober&by=outcome");
    await until(async () => (await wanted()).some(({ key }) => key.outcome === "exceededCpu"), "the API counts the endless loop");
    const groups = await wanted();
    await reads(page, "Exceeded CPU Time Limit", 1);
    await reads(page, "Without failure", sum(groups, "count") - sum(groups, "failed"));
    await reads(page, "Uncaught Exception", groups.find(({ key }) => key.outcome === "exception").count);
    const [whole] = await workerMetrics(world, "worker=prober&quantiles=true");
    const row = page.getByRole("table", { name: "Versions" }).getByRole("row");
    assert.equal(await row.count(), 3, "two versions and the head");
    for (const { key, count } of groups) {
      const label = { ok: "Success", exception: "Uncaught Exception", exceededCpu: "Exceeded CPU Time Limit" }[key.outcome];
      assert.equal((await cells(page.getByRole("table", { name: "Outcomes" }), new RegExp(`^${label}`))).Count, String(count), label);
    }
    assert.ok(whole.cpu.p99 > 0 && whole.memory.p50 > 0 && whole.subrequests > 0);
    await page.getByText(`${whole.subrequests} subrequests`).waitFor();
    const median = `${Number(whole.wall.p50.toPrecision(3))} ms`;
    await until(async () => (await page.locator(".legend").nth(3).locator("strong").first().innerText()) === median, `the median is ${median}`);
    await choose(page, "Version", /#1/);
    const version = params(page).get("version");
    const [first] = await workerMetrics(world, `worker=prober&version=${version}`);
    await reads(page, "Without failure", first.count - first.failed);
    await finish(page);
  });

  test("logs: every filter, a new record by itself, and one in full", async () => {
    await world.program.visit("/missing/first");
    const page = await signedIn(world, "/workers/prober/logs");
    const events = page.locator(".event");
    const shows = (count, words) => until(async () => (await events.count()) === count, words);
    const asked = async (query) => (await world.program.api(`/workers/invocations?worker=prober&limit=50&${query}`)).length;
    const everything = await asked("");
    await shows(everything, "everything");
    for (const [act, name, value, query] of [
      [() => choose(page, "Outcome", "Uncaught Exception"), "outcome", "exception", "outcome=exception"],
      [() => choose(page, "Outcome", "Any failure"), "outcome", "error", "outcome=error"],
      [() => choose(page, "Status", "4xx"), "status", "4xx", "status=4xx"],
      [() => page.getByLabel("Text").fill("told to throw"), "q", "told to throw", "q=told to throw"],
      [() => page.getByLabel("CPU over, ms").fill("150"), "min_cpu", "150", "min_cpu=150"],
    ]) {
      await act();
      await until(() => params(page).get(name) === value, `${name} in the address`);
      const count = await asked(query);
      assert.ok(count > 0 && count < everything, `${query}: ${count}`);
      await shows(count, query);
      await button(page, "Clear").click();
      await shows(everything, "everything again");
    }
    await page.getByLabel("Text").fill("to");
    await page.getByText("Three characters or more.").waitFor();
    await button(page, "Clear").click();
    await choose(page, "Version", /^#1/);
    await shows(await asked(`version=${params(page).get("version")}`), "one version");
    await button(page, "Clear").click();
    await world.program.visit("/missing/page");
    await shows(everything + 1, "the new record");
    await events.first().getByText("GET /missing/page").waitFor();
    await page.locator(".event-head").first().click();
    await page.getByText("nothing is bound as missing").waitFor();
    const [record] = await world.program.api("/workers/invocations?worker=prober&limit=1");
    await page.getByText(record.rayId).first().waitFor();
    const address = new URL(page.url());
    assert.equal(address.searchParams.get("record"), record.id);
    // It is found again where the list does not have it.
    await page.goto(`${address}&status=5xx`);
    await page.getByText("nothing is bound as missing").waitFor();
    await page.goto(`${world.program.url}/workers/prober/logs?ray=${record.rayId}`);
    await shows(1, "one record by its ray id");
    await page.getByText("nothing is bound as missing").waitFor();
    await page.getByText("Request headers").click();
    await page.locator(".event-body").getByText("prober.localhost", { exact: true }).waitFor();
    assert.equal(params(page).get("headers"), "shown");
    // It opened by itself, and can be closed all the same.
    await page.locator(".event-head").click();
    await page.locator(".event-body").waitFor({ state: "detached" });
    await page.reload();
    await shows(1, "the record again");
    assert.equal(await page.locator(".event-body").count(), 0);
    await finish(page);
  });

  test("a Worker that does not exist is said not to, on each of its pages", async () => {
    const page = await signedIn(world, "/workers/nobody");
    for (const tab of ["", "/logs", "/deployments", "/bindings", "/settings"]) {
      await page.goto(`${world.program.url}/workers/nobody${tab}`);
      await page.getByText("There is no Worker nobody, or no longer").waitFor();
    }
    await finish(page);
  });

  test("an older version takes a share of the requests, then all of them", async () => {
    const page = await signedIn(world, "/workers/prober/deployments");
    await button(page, "Roll back to version 1").click();
    // The dialog is in the address, with the version that it is about.
    await page.reload();
    await page.getByRole("dialog", { name: "Roll back to version #1" }).waitFor();
    await page.getByLabel("Share of the requests, in percent").fill("25");
    await page.getByText("25 % to #1, 75 % to #2.").waitFor();
    await page.getByLabel("Message").fill("Look at the old one");
    await button(page, "Roll back").click();
    await page.getByText("Deployed. Every request from now on sees it.").waitFor();
    assert.equal(page.url(), `${world.program.url}/workers/prober/deployments`);
    const shares = async () => (await world.program.api("/workers/scripts/prober/deployments")).deployments[0].versions.map(({ percentage }) => percentage).sort();
    assert.deepEqual(await shares(), [25, 75]);
    await page.getByRole("row", { name: /^#1/ }).getByText("25 %").waitFor();
    await button(page, "Deploy version 1").click();
    await page.getByLabel("Share of the requests, in percent").fill("100");
    await button(page, "Deploy").click();
    await until(async () => (await shares()).length === 1, "one version");
    await page.getByRole("table", { name: "Deployments" }).getByText("Look at the old one").waitFor();
    // The first version was bound to one service only.
    assert.equal((await world.program.visit("/VAULT/x")).status, 404);
    await page.getByRole("table", { name: "Deployments" }).getByText("rollback").waitFor();
    await button(page, "Deploy version 2").click();
    await button(page, "Deploy").click();
    await until(async () => (await world.program.visit("/VAULT/x")).status === 500, "the second version again");
    await finish(page);
  });

  test("bindings lead to what they open", async () => {
    const page = await signedIn(world, "/workers/prober/bindings");
    await page.getByRole("row", { name: /env.GREETING/ }).getByText("hello").waitFor();
    await page.getByRole("row", { name: /env.VAULT/ }).getByRole("link", { name: "vault" }).click();
    await page.getByRole("heading", { name: "vault" }).waitFor();
    await finish(page);
  });

  test("a variable, a secret, limits and a route that are set on the page are what the next request meets", async () => {
    const page = await signedIn(world, "/workers/prober/settings");
    await button(page, "Change GREETING").click();
    await page.getByLabel("Value").fill("good day");
    await button(page, "Save and deploy").click();
    await page.getByText("Saved as a new version").waitFor();
    assert.equal((await world.program.visit("/greeting")).text, "good day, no password");
    await button(page, "Add a secret").click();
    await page.getByLabel("Name", { exact: true }).fill("PASSWORD");
    await page.getByLabel("Value").fill("open sesame");
    await button(page, "Save and deploy").click();
    await button(page, "Replace PASSWORD").waitFor();
    assert.equal((await world.program.visit("/greeting")).text, "good day, open sesame");
    assert.equal(page.url(), `${world.program.url}/workers/prober/settings`);
    await page.reload();
    await button(page, "Replace PASSWORD").waitFor();
    await button(page, "Add a variable").click();
    await page.getByLabel("Name", { exact: true }).fill("LIST");
    await page.getByText("JSON", { exact: true }).last().click();
    await page.getByLabel("Value").fill("[1, 2");
    await button(page, "Save and deploy").click();
    await page.getByText("This is not JSON").waitFor();
    await button(page, "Cancel").click();
    assert.ok(!(await page.content()).includes("open sesame"));
    await page.getByLabel("CPU time, milliseconds").fill("100");
    await button(page, "Save limits").click();
    await until(async () => (await world.program.api("/workers/scripts/prober/settings")).limits.cpu_ms === 100, "the limit");
    await page.getByLabel("Routes").fill("shop.example.test/*\nbad host/*");
    await button(page, "Save routes").click();
    await page.getByText("is not a route pattern").waitFor();
    await page.getByLabel("Routes").fill("shop.example.test/*");
    await button(page, "Save routes").click();
    await page.getByText("Routes saved.").waitFor();
    assert.equal((await world.program.visit("/greeting", "shop.example.test")).text, "good day, open sesame");
    await page.getByText("At prober.localhost, by its name").click();
    await until(async () => (await world.program.visit("/greeting")).status === 404, "not served by its name");
    await page.getByText("At prober.localhost, by its name").click();
    await until(async () => (await world.program.visit("/greeting")).status === 200, "served by its name");
    await button(page, "Delete PASSWORD").click();
    await button(page, "Delete").click();
    await page.getByText("Deleted PASSWORD.").waitFor();
    assert.equal((await world.program.visit("/greeting")).text, "good day, no password");
    await finish(page);
  });

  test("a version from before a secret was changed comes back only where that is wanted", async () => {
    const page = await signedIn(world, "/workers/prober/deployments");
    await world.program.api("/workers/scripts/prober/secrets", { method: "PUT", body: { name: "PASSWORD", text: "rotated", type: "secret_text" } });
    await button(page, "Roll back to version 2").click();
    await button(page, "Roll back").click();
    await page.getByText("Secrets have changed since this version: PASSWORD.").waitFor();
    assert.ok(await button(page, "Roll back").isDisabled());
    await page.getByText("Bring the old secrets back").click();
    await button(page, "Roll back").click();
    await page.getByText("Deployed. Every request from now on sees it.").waitFor();
    assert.match((await world.program.visit("/greeting")).text, /no password$/);
    await finish(page);
  });

  test("the list has the API's numbers, and a Worker that is deleted on its page is gone", async () => {
    const page = await signedIn(world, "/workers");
    const table = page.getByRole("table", { name: "Workers" });
    const { groups: [whole] } = await world.program.api(`/workers/metrics?worker=prober&since=${Date.now() - 6 * 3_600_000}&until=${Date.now()}`);
    await until(async () => (await cells(table, /^prober/))["Requests, 6 h"] === String(whole.count), "its requests");
    const shown = await cells(table, /^prober/);
    assert.equal(shown.Success, `${Number((((whole.count - whole.failed) / whole.count) * 100).toFixed(1))} %`);
    await page.getByLabel("Search").fill("oth");
    await page.getByRole("row", { name: /^prober/ }).waitFor({ state: "detached" });
    assert.equal(params(page).get("q"), "oth");
    await page.getByRole("link", { name: "other", exact: true }).click();
    await page.getByText("No requests in this range").waitFor();
    await page.locator('pre[aria-label="command"]').getByText("curl http://other.localhost").waitFor();
    await page.getByRole("link", { name: "Settings" }).click();
    await button(page, "Delete this Worker").click();
    await page.getByLabel("Type other to confirm").fill("other");
    await button(page, "Delete").click();
    await page.getByText("Deleted other.").waitFor();
    assert.ok(!(await world.program.api("/workers/scripts")).some(({ id }) => id === "other"));
    assert.equal((await world.program.visit("/", "other.localhost")).status, 404);
    await finish(page);
  });
});
