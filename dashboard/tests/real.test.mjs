// The dashboard over the real program, with real requests and real faults. Skipped, with the reason, where there is no program, or where
// it lacks a call of API.md.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { choose, openPage, setUpBrowser, signIn, skip as noBrowser, until } from "./harness.mjs";
import { BINARY, privateService, startProgram } from "./program.mjs";

const skip = noBrowser || (BINARY === undefined ? "no program: make build, or set CULVERT to it" : false);
const ACCOUNT = "/accounts/local";
const SERVICES = `${ACCOUNT}/connectivity/directory/services`;

describe("the real program", { skip }, () => {
  const world = setUpBrowser();
  const facts = {};

  before(async () => {
    facts.program = await startProgram();
    facts.lacks = await facts.program.lacks("/session", "/connection-errors", `${ACCOUNT}/connectivity/metrics`, `${ACCOUNT}/workers/metrics`, `${ACCOUNT}/edge`);
    world.mock = { url: facts.program.url };
    facts.first = await privateService("first");
    facts.second = await privateService("second");
  });
  after(async () => {
    await facts.first?.close();
    await facts.second?.close();
    await facts.program?.close();
  });

  /** A test that needs these calls. */
  const over = (name, needed, body) => test(name, { timeout: 120_000 }, async (context) => {
    const missing = facts.lacks.filter((path) => needed.some((part) => path.endsWith(part)));
    if (missing.length > 0) context.skip(`this build has no ${missing.join(", ")}`);
    else await body(context);
  });
  const page = async (path, options) => {
    const opened = await openPage(world, options);
    await signIn(world, opened, path, facts.program.token);
    return opened;
  };
  const legend = async (of, label) => Number((await of.locator(".legend li").filter({ hasText: new RegExp(`^${label}`) }).first().locator("strong").innerText()).replaceAll(",", ""));

  over("a wrong token is refused", ["/session"], async () => {
    const opened = await openPage(world);
    await opened.goto(world.mock.url);
    await opened.getByLabel("API token").fill("cvt_wrong");
    await opened.getByRole("button", { name: "Sign in" }).click();
    await opened.getByRole("alert").waitFor();
    assert.match(await opened.getByRole("alert").innerText(), /not valid/);
  });

  over("a tunnel and a service are made on the pages, and a Worker reaches it", ["/session", "/edge"], async () => {
    const opened = await page("/tunnels/new");
    await opened.getByLabel("Tunnel name").fill("lab");
    await opened.getByRole("button", { name: "Create", exact: true }).click();
    const command = await opened.locator('pre[aria-label="culvert command"]').innerText();
    facts.program.connect(/--token (\S+)/.exec(command)[1]);
    await opened.getByText("Connected", { exact: true }).or(opened.getByText("Degraded", { exact: true })).waitFor();
    await opened.getByRole("link", { name: "Register a service behind it" }).click();
    await opened.getByLabel("Service name").fill("stock");
    await opened.getByLabel("IPv4 address").fill("127.0.0.1");
    await opened.getByText("These ports").click();
    await opened.getByLabel("HTTP port").fill(String(facts.first.port));
    await opened.getByRole("button", { name: "Create", exact: true }).click();
    await opened.getByRole("heading", { name: "stock" }).waitFor();
    facts.service = (await facts.program.api(SERVICES)).result[0].service_id;
    await facts.program.deploy("private-api", "--vpc-service", `PRIVATE_API=${facts.service}`);
    assert.deepEqual(await facts.program.visit("private-api"), { status: 200, text: "first" });
  });

  over("another port in the settings is used by the next request", ["/session", "/edge"], async () => {
    const opened = await page(`/services/${facts.service}/settings`);
    await opened.getByLabel("HTTP port").fill(String(facts.second.port));
    await opened.getByRole("button", { name: "Save" }).click();
    await opened.getByText("Saved. The next request uses it.").waitFor();
    assert.deepEqual(await facts.program.visit("private-api"), { status: 200, text: "second" });
    assert.equal(facts.first.requests, 1);
  });

  over("a service that stops is seen as Bad Upstream within five seconds, with the API's numbers", ["/session", "/edge", "/connectivity/metrics", "/connection-errors"], async () => {
    const opened = await page(`/services/${facts.service}`);
    await opened.getByText("Succeeded").first().waitFor();
    await until(async () => (await legend(opened, "Succeeded")) === 2, "both requests so far");
    await facts.second.close();
    assert.equal((await facts.program.visit("private-api")).status, 503);
    await until(async () => (await legend(opened, "Bad Upstream")) === 1, "the failure");
    const row = opened.getByRole("table", { name: "Errors by code" }).getByRole("row", { name: /connection_refused/ });
    await row.getByText("Bad Upstream").waitFor();
    await opened.locator(".event-head").first().click();
    await opened.locator(".waterfall dt.failed", { hasText: "connect" }).waitFor();
    const { result } = await facts.program.api(`${ACCOUNT}/connectivity/metrics?service=${facts.service}&by=code`);
    assert.deepEqual(result.groups.map(({ key, count }) => [key.code, count]).sort(), [["connection_refused", 1], [null, 2]].sort());
    await choose(opened, "Category", "Client");
    await opened.getByText("Nothing fits these filters in this range").waitFor();
  });

  over("its failure is in the Worker's log, with the console's line", ["/session", "/edge"], async (context) => {
    const { result } = await facts.program.api(`${ACCOUNT}/workers/invocations?worker=private-api&status=503`);
    if (result.some((row) => row.event.response.status !== 503)) {
      context.skip("this build does not filter invocations by status");
      return;
    }
    const opened = await page("/workers/private-api/logs?status=503");
    await until(async () => (await opened.locator(".event").count()) === 1, "one record");
    await opened.locator(".event-head").click();
    await opened.getByText("the private service did not answer:").first().waitFor();
  });

  over("a Worker's requests are counted as the API counts them", ["/session", "/edge", "/workers/metrics"], async () => {
    const opened = await page("/workers/private-api");
    await until(async () => (await legend(opened, "Without failure")) === 3, "three requests");
    const { result } = await facts.program.api(`${ACCOUNT}/workers/metrics?worker=private-api&by=outcome`);
    assert.deepEqual(result.groups.map(({ key, count }) => [key.outcome, count]), [["ok", 3]]);
  });

  over("a revoked token ends the session", ["/session"], async () => {
    const made = await facts.program.api(`${ACCOUNT}/tokens`, { method: "POST", body: { name: "short", permissions: ["workers-scripts.read"] } });
    const opened = await openPage(world);
    await signIn(world, opened, "/workers", made.result.value);
    await opened.getByRole("heading", { name: "Workers", exact: true }).waitFor();
    await facts.program.api(`${ACCOUNT}/tokens/${made.result.id}`, { method: "DELETE" });
    await opened.getByText("Your session has ended.").waitFor({ timeout: 15_000 });
  });

  over("the program serves the files under the policy of API.md", [], async (context) => {
    if (!facts.program.servesFiles) {
      context.skip("this build does not serve the dashboard's files");
      return;
    }
    const response = await fetch(facts.program.url);
    assert.match(response.headers.get("content-security-policy"), /default-src 'none'/);
    assert.equal((await fetch(`${facts.program.url}/assets/none.js`)).status, 404);
    assert.equal((await fetch(`${facts.program.url}/services/x/settings`)).status, 200);
  });
});
