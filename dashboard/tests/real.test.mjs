// The dashboard over the real program, with real requests and real faults. One edge, in the order of a first day with it. Skipped, with
// the reason, where there is no program or no browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { answersOf } from "./answers.mjs";
import { choose, openPage, params, setUpBrowser, signIn, skip as noBrowser, until } from "./harness.mjs";
import { BINARY, resolver, privateService, selfSigned, startProgram } from "./program.mjs";

const skip = noBrowser || (BINARY === undefined ? "no program: make build, or set CULVERT to it" : false);
const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const SERVICES = "/connectivity/directory/services";
const number = (text) => Number(text.replaceAll(/[^\d.]/g, ""));

describe("the real program", { skip, timeout: 1_800_000 }, () => {
  const world = setUpBrowser();
  const facts = {};
  let program;

  before(async () => {
    program = await startProgram();
    world.mock = { url: program.url };
    world.answers = await answersOf(program.url);
    facts.resolver = await resolver();
    facts.first = await privateService("first");
    facts.second = await privateService("second");
    facts.secure = await privateService("secure", { tls: selfSigned(program.directory) });
  });
  after(async () => {
    for (const name of ["first", "second", "secure", "resolver"]) await facts[name]?.close();
    await program?.close();
  });

  const signedIn = async (path, { token = program.token, ...options } = {}) => {
    const page = await openPage(world, options);
    await signIn(world, page, path, token);
    return page;
  };
  /** Ends a test: nothing on the page complained, and no answer was other than the document says. */
  const finish = async (page) => {
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  };
  const legend = async (page, label) => number(await page.locator(".legend li").filter({ hasText: new RegExp(`^${label}`) }).first().locator("strong").innerText());
  const reads = (page, label, wanted) => until(async () => (await legend(page, label)) === wanted, `${label} is ${wanted}`);
  const metrics = async (query) => (await program.api(`/connectivity/metrics?${query}`)).groups;
  const sum = (groups, member) => groups.reduce((all, group) => all + group[member], 0);
  const button = (page, name) => page.getByRole("button", { name, exact: true });
  const service = async (name, more) => (await program.api(SERVICES, { method: "POST", body: { name, type: "http", ...more } })).service_id;

  test("a wrong token is refused, and nothing is shown", async () => {
    const page = await openPage(world);
    await page.goto(`${program.url}/services`);
    await page.getByLabel("API token").fill("cvt_wrong");
    await button(page, "Sign in").click();
    await page.getByRole("alert").getByText("API token").waitFor();
    assert.equal(await page.locator("#navigation").count(), 0);
    await finish(page);
  });

  test("the files come compressed, under the policy, and no more than 300 KB of them first", async () => {
    const page = await openPage(world);
    const requests = [];
    page.on("requestfinished", (request) => requests.push(request));
    await signIn(world, page, "/", program.token);
    await page.getByText("Nothing here yet").waitFor();
    await page.waitForLoadState("networkidle");
    let size = 0;
    for (const request of requests.filter((each) => !each.url().includes("/client/v4/"))) size += (await request.sizes()).responseBodySize;
    console.log(`first load of the program's dashboard: ${(size / 1024).toFixed(0)} KB over the wire`);
    assert.ok(size > 50 * 1024 && size < 300 * 1024, `${size} bytes`);
    const answer = await fetch(`${program.url}/services/x/settings`, { headers: { accept: "text/html" } });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-security-policy"), /^default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.equal((await fetch(`${program.url}/assets/none.js`)).status, 404);
    await finish(page);
  });

  test("a tunnel is made on a page, and the commands that it shows connect it", async () => {
    const page = await signedIn("/tunnels/new");
    await page.getByLabel("Tunnel name").fill("lab");
    await button(page, "Create").click();
    await page.getByText("First save the edge's certificate authority").click();
    const shown = (label) => page.locator(`pre[aria-label="${label}"]`).innerText();
    const commands = [await shown("command that saves the certificate authority"), await shown("culvert command")];
    await page.getByText("Waiting for a connector").waitFor();
    facts.connector = program.shell(commands, `--dns-resolver ${facts.resolver.address}`);
    await page.getByText("Connected", { exact: true }).waitFor();
    facts.commands = commands;
    facts.tunnel = (await program.api("/cfd_tunnel?is_deleted=false"))[0].id;
    await page.getByRole("link", { name: "Show the tunnel" }).click();
    const table = page.getByRole("table", { name: /^Connections of/ });
    await until(async () => (await table.getByRole("row").count()) === 5, "four connections and the head");
    const [connector] = await program.api(`/cfd_tunnel/${facts.tunnel}/connectors`);
    await page.getByRole("region", { name: `Connector ${connector.id.slice(0, 8)}` }).getByText(connector.version).waitFor();
    const text = await table.innerText();
    for (const connection of connector.connections) assert.ok(text.includes(connection.remote_address), text);
    assert.match(text, /QUIC/);
    await page.getByText("This is the tunnel's only connector.").waitFor();
    await finish(page);
  });

  test("a service is registered on a page, with the server's objection at its field, and a Worker reaches it", async () => {
    const page = await signedIn(`/services/new?tunnel=${facts.tunnel}`);
    await page.getByLabel("Service name").fill("stock");
    await page.getByLabel("IPv4 address").fill("224.0.0.1");
    await page.getByText("These ports").click();
    await page.getByLabel("HTTP port").fill(String(facts.first.port));
    await button(page, "Create").click();
    await page.getByText("is a multicast address").waitFor();
    assert.equal(await page.getByLabel("IPv4 address").getAttribute("aria-invalid"), "true");
    await page.getByLabel("IPv4 address").fill("127.0.0.1");
    await button(page, "Create").click();
    await page.getByRole("heading", { name: "stock" }).waitFor();
    facts.stock = (await program.api(SERVICES))[0].service_id;
    await program.deploy({ STOCK: facts.stock }, { message: "the first one" });
    assert.deepEqual((await program.visit("/STOCK/7")).text, "first");
    await page.getByRole("link", { name: "Used by" }).click();
    await page.getByRole("row", { name: /prober/ }).getByText("env.STOCK").waitFor();
    await page.getByRole("link", { name: "Metrics" }).click();
    await reads(page, "Succeeded", 1);
    await finish(page);
  });

  test("another port in the settings is used by the next request", async () => {
    const page = await signedIn(`/services/${facts.stock}/settings`);
    await page.getByLabel("HTTP port").fill(String(facts.second.port));
    await button(page, "Save").click();
    await page.getByText("Saved. The next request uses it.").waitFor();
    assert.equal((await program.visit("/STOCK/7")).text, "second");
    assert.equal(facts.first.requests, 1);
    await finish(page);
  });

  test("a service that stops is seen at once, in its category, with the API's numbers", async () => {
    const page = await signedIn(`/services/${facts.stock}`);
    await reads(page, "Succeeded", 2);
    await facts.second.close();
    assert.equal((await program.visit("/STOCK/7")).status, 500);
    const begun = Date.now();
    await reads(page, "Bad Upstream", 1);
    console.log(`the failure was on the page ${Date.now() - begun} ms after it`);
    const row = page.getByRole("table", { name: "Errors by code" }).getByRole("row", { name: /connection_refused/ });
    await row.getByText("Bad Upstream").waitFor();
    await page.locator(".event").first().waitFor();
    const groups = await metrics(`service=${facts.stock}&by=code`);
    assert.deepEqual(groups.map(({ key, count }) => [key.code, count]).sort(), [["connection_refused", 1], [null, 2]].sort());
    await page.goto(`${program.url}/services`);
    await page.getByRole("row", { name: /^stock/ }).getByText("Some failures").waitFor();
    await page.goto(program.url);
    await page.getByRole("table", { name: "Failures now" }).getByRole("row", { name: /connection_refused/ }).waitFor();
    await finish(page);
  });

  test("faults of both sides stand in the table, each with its meaning, and each filter narrows the numbers to the API's", async () => {
    facts.second = await privateService("second", { port: facts.second.port });
    const host = { ipv4: "127.0.0.1", network: { tunnel_id: facts.tunnel } };
    facts.vault = await service("vault", { host, https_port: facts.secure.port });
    facts.nowhere = await service("nowhere", { host: { hostname: "nowhere.internal", resolver_network: { tunnel_id: facts.tunnel } }, http_port: 80 });
    const bindings = { STOCK: facts.stock, VAULT: facts.vault, NOWHERE: facts.nowhere };
    await program.deploy(bindings, { message: "the second one" });
    await program.deploy({ STOCK: facts.stock }, { name: "other" });
    facts.secondConnector = program.shell(facts.commands);
    await until(async () => (await program.api(`/cfd_tunnel/${facts.tunnel}/connectors`)).filter((each) => each.connections.length === 4).length === 2, "a second connector");
    for (let round = 0; round < 8; round += 1) assert.equal((await program.visit("/STOCK/7")).text, "second");
    await program.visit("/STOCK/7", "other.localhost");
    for (const path of ["/VAULT/x?https", "/VAULT/x?https", "/NOWHERE/x"]) assert.equal((await program.visit(path)).status, 500);

    const page = await signedIn(`/tunnels/${facts.tunnel}/metrics`);
    const table = page.getByRole("table", { name: "Errors by code" });
    const line = (code) => table.getByRole("row", { name: new RegExp(`^${code}`) });
    await line("tls_certificate_error").getByText("Bad Upstream").waitFor();
    await line("dns_error").getByText("Client").waitFor();
    await line("dns_error").getByText("does not exist (NXDOMAIN)").waitFor();
    const all = await metrics(`tunnel=${facts.tunnel}&by=category`);
    const of = (groups, category) => groups.find((group) => group.key.category === category)?.count ?? 0;
    await reads(page, "Succeeded", of(all, null));
    await reads(page, "Bad Upstream", of(all, "Bad Upstream"));
    await reads(page, "Client", of(all, "Client"));
    assert.equal(of(all, "Client"), 1);

    const connectors = (await metrics(`tunnel=${facts.tunnel}&by=connector`)).map((group) => group.key.connector).filter(Boolean);
    for (const [label, option, name, value] of [
      ["Category", "Client", "category", "Client"], ["Code", "tls_certificate_error", "code", "tls_certificate_error"], ["Worker", "other", "worker", "other"],
      ["Connector", connectors[0].slice(0, 8), "connector", connectors[0]],
    ]) {
      await choose(page, label, option);
      assert.equal(params(page).get(name), value);
      const groups = await metrics(`tunnel=${facts.tunnel}&by=category&${name}=${value}`);
      assert.ok(sum(groups, "count") > 0 && sum(groups, "count") < sum(all, "count"), name);
      await reads(page, "Succeeded", of(groups, null));
      for (const category of ["Bad Upstream", "Client"]) await reads(page, category, of(groups, category));
      // What the address says is what somebody else sees.
      await page.reload();
      await reads(page, "Succeeded", of(groups, null));
      await button(page, "Clear").click();
      await reads(page, "Succeeded", of(all, null));
    }
    await choose(page, "Time", "Last 15 minutes");
    assert.equal(params(page).get("range"), "15m");
    await reads(page, "Succeeded", of(all, null));
    await page.goto(`${program.url}/tunnels/${facts.tunnel}/metrics?since=1700000000000&until=1700003600000`);
    await page.getByText("Nothing went through this tunnel in this range").waitFor();
    await finish(page);
  });

  test("a failed connection opens with its phases, and leads to the Worker's record and to the reference", async () => {
    const page = await signedIn(`/services/${facts.vault}`);
    await page.locator(".event-head").first().click();
    const waterfall = page.locator(".waterfall");
    await waterfall.waitFor();
    assert.match(await waterfall.innerText(), /connect[\s\S]+ms[\s\S]+tls[\s\S]+failed[\s\S]+request\s+not reached[\s\S]+head\s+not reached/);
    const address = page.url();
    await page.goto("about:blank");
    await page.goto(address);
    await waterfall.waitFor();
    const [event] = await program.api(`/connectivity/events?service=${facts.vault}&limit=1`);
    await page.getByRole("link", { name: `prober, ray ${event.rayId}` }).click();
    await page.getByText("ProxyError: tls_certificate_error").first().waitFor();
    await page.getByRole("link", { name: "tls_certificate_error" }).first().click();
    await page.getByRole("heading", { name: "tls_certificate_error" }).waitFor();
    await page.getByRole("link", { name: "vault" }).waitFor();
    await finish(page);
  });

  test("a diagnosis says how far a connection comes", async (context) => {
    if (!world.answers.knows("POST", `/client/v4/accounts/local${SERVICES}/${facts.vault}/diagnose`)) {
      context.skip("this build has no diagnose");
      return;
    }
    const page = await signedIn(`/services/${facts.vault}/diagnose`);
    await button(page, "Diagnose").click();
    await page.locator(".note.bad").getByText("tls_certificate_error").waitFor();
    assert.match(await page.locator(".waterfall").innerText(), /tls\s+failed/);
    await page.getByRole("table", { name: "Connectors" }).getByRole("row").nth(2).waitFor();
    await page.goto(`${program.url}/services/${facts.stock}/diagnose`);
    await button(page, "Diagnose").click();
    await page.getByText(/It answers, after/).waitFor();
    await finish(page);
  });

  test("a Worker's requests, failures and times are the API's", async () => {
    await program.visit("/throw/this");
    await program.visit("/spin");
    const page = await signedIn("/workers/prober");
    const wanted = async () => (await program.api("/workers/metrics?worker=prober&by=outcome")).groups;
    await until(async () => (await wanted()).some(({ key }) => key.outcome === "exceededCpu"), "the API counts the endless loop");
    const groups = await wanted();
    await reads(page, "Exceeded CPU Time Limit", 1);
    await reads(page, "Without failure", sum(groups, "count") - sum(groups, "failed"));
    await reads(page, "Uncaught Exception", groups.find(({ key }) => key.outcome === "exception").count);
    const [whole] = (await program.api("/workers/metrics?worker=prober&quantiles=true")).groups;
    const row = page.getByRole("table", { name: "Versions" }).getByRole("row");
    assert.equal(await row.count(), 3, "two versions and the head");
    assert.ok(whole.cpu.p99 > 0 && whole.memory.p50 > 0 && whole.subrequests > 0);
    await page.getByText(`${whole.subrequests} subrequests`).waitFor();
    const median = `${Number(whole.wall.p50.toPrecision(3))} ms`;
    await until(async () => (await page.locator(".legend").nth(3).locator("strong").first().innerText()) === median, `the median is ${median}`);
    await choose(page, "Version", /#1/);
    const version = params(page).get("version");
    const [first] = (await program.api(`/workers/metrics?worker=prober&version=${version}`)).groups;
    await reads(page, "Without failure", first.count - first.failed);
    await finish(page);
  });

  test("logs: every filter, a new record by itself, and one in full", async () => {
    await program.visit("/missing/first");
    const page = await signedIn("/workers/prober/logs");
    const events = page.locator(".event");
    const shows = (count, words) => until(async () => (await events.count()) === count, words);
    const asked = async (query) => (await program.api(`/workers/invocations?worker=prober&limit=50&${query}`)).length;
    const everything = await asked("");
    await shows(everything, "everything");
    for (const [act, name, value, query] of [
      [() => choose(page, "Outcome", "Uncaught Exception"), "outcome", "exception", "outcome=exception"],
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
    await program.visit("/missing/page");
    await shows(everything + 1, "the new record");
    await events.first().getByText("GET /missing/page").waitFor();
    await page.locator(".event-head").first().click();
    await page.getByText("nothing is bound as missing").waitFor();
    const [record] = await program.api("/workers/invocations?worker=prober&limit=1");
    await page.getByText(record.rayId).first().waitFor();
    const address = new URL(page.url());
    assert.equal(address.searchParams.get("record"), record.id);
    // It is found again where the list does not have it.
    await page.goto(`${address}&status=5xx`);
    await page.getByText("nothing is bound as missing").waitFor();
    await page.goto(`${program.url}/workers/prober/logs?ray=${record.rayId}`);
    await shows(1, "one record by its ray id");
    await page.getByText("nothing is bound as missing").waitFor();
    await finish(page);
  });

  test("an older version takes a share of the requests, then all of them", async () => {
    const page = await signedIn("/workers/prober/deployments");
    await button(page, "Roll back to version 1").click();
    await page.getByLabel("Share of the requests, in percent").fill("25");
    await button(page, "Deploy").click();
    await page.getByText("Deployed. Every request from now on sees it.").waitFor();
    const shares = async () => (await program.api("/workers/scripts/prober/deployments")).deployments[0].versions.map(({ percentage }) => percentage).sort();
    assert.deepEqual(await shares(), [25, 75]);
    await page.getByRole("row", { name: /^#1/ }).getByText("25 %").waitFor();
    await button(page, "Deploy version 1").click();
    await page.getByLabel("Share of the requests, in percent").fill("100");
    await button(page, "Deploy").click();
    await until(async () => (await shares()).length === 1, "one version");
    // The first version was bound to one service only.
    assert.equal((await program.visit("/VAULT/x?https")).status, 404);
    await page.getByRole("table", { name: "Deployments" }).getByText("rollback").waitFor();
    await button(page, "Deploy version 2").click();
    await button(page, "Deploy").click();
    await until(async () => (await program.visit("/VAULT/x?https")).status === 500, "the second version again");
    await finish(page);
  });

  test("bindings lead to what they open", async () => {
    const page = await signedIn("/workers/prober/bindings");
    await page.getByRole("row", { name: /env.GREETING/ }).getByText("hello").waitFor();
    await page.getByRole("row", { name: /env.VAULT/ }).getByRole("link", { name: "vault" }).click();
    await page.getByRole("heading", { name: "vault" }).waitFor();
    await finish(page);
  });

  test("a variable, a secret, limits and a route that are set on the page are what the next request meets", async () => {
    const page = await signedIn("/workers/prober/settings");
    await button(page, "Change GREETING").click();
    await page.getByLabel("Value").fill("good day");
    await button(page, "Save and deploy").click();
    await page.getByText("Saved as a new version").waitFor();
    assert.equal((await program.visit("/greeting")).text, "good day, no password");
    await button(page, "Add a secret").click();
    await page.getByLabel("Name", { exact: true }).fill("PASSWORD");
    await page.getByLabel("Value").fill("open sesame");
    await button(page, "Save and deploy").click();
    await button(page, "Replace PASSWORD").waitFor();
    assert.equal((await program.visit("/greeting")).text, "good day, open sesame");
    await page.reload();
    await button(page, "Replace PASSWORD").waitFor();
    assert.ok(!(await page.content()).includes("open sesame"));
    await page.getByLabel("CPU time, milliseconds").fill("100");
    await button(page, "Save limits").click();
    await until(async () => (await program.api("/workers/scripts/prober/settings")).limits.cpu_ms === 100, "the limit");
    await page.getByLabel("Routes").fill("shop.example.test/*\nbad host/*");
    await button(page, "Save routes").click();
    await page.getByText("is not a route pattern").waitFor();
    await page.getByLabel("Routes").fill("shop.example.test/*");
    await button(page, "Save routes").click();
    await page.getByText("Routes saved.").waitFor();
    assert.equal((await program.visit("/greeting", "shop.example.test")).text, "good day, open sesame");
    await page.getByText("At prober.localhost, by its name").click();
    await until(async () => (await program.visit("/greeting")).status === 404, "not served by its name");
    await page.getByText("At prober.localhost, by its name").click();
    await until(async () => (await program.visit("/greeting")).status === 200, "served by its name");
    await finish(page);
  });

  test("what Workers use is not deleted, and they are named; what nobody uses is", async () => {
    const page = await signedIn(`/services/${facts.stock}/settings`);
    await button(page, "Delete this service").click();
    await page.getByLabel("Type stock to confirm").fill("stock");
    await button(page, "Delete").click();
    await page.getByRole("alert").getByText('Worker "prober"').waitFor();
    const unused = await service("unused", { host: { ipv4: "127.0.0.1", network: { tunnel_id: facts.tunnel } } });
    await page.goto(`${program.url}/services/${unused}/settings`);
    await button(page, "Delete this service").click();
    await page.getByLabel("Type unused to confirm").fill("unused");
    await button(page, "Delete").click();
    await page.getByText("Deleted unused.").waitFor();
    assert.ok(!(await program.api(SERVICES)).some(({ name }) => name === "unused"));
    await finish(page);
  });

  test("the list of services is filtered by its address, and shows the API's shares", async () => {
    const page = await signedIn("/services");
    const row = (name) => page.getByRole("row", { name: new RegExp(`^${name}`) });
    for (const name of ["stock", "vault", "nowhere"]) await row(name).waitFor();
    await row("vault").getByText("0 %", { exact: true }).waitFor();
    const [stock] = await metrics(`service=${facts.stock}&since=6h`);
    await row("stock").getByText(`${Number((((stock.count - stock.failed) / stock.count) * 100).toFixed(1))} %`).waitFor();
    await choose(page, "State", "Failing");
    await row("stock").waitFor({ state: "detached" });
    assert.equal(params(page).get("state"), "failing");
    await page.goto(`${program.url}/services?q=nowhere.internal`);
    await row("nowhere").waitFor();
    assert.equal(await page.getByRole("row").count(), 2);
    await finish(page);
  });

  test("the reference has all codes, is searched, and has one address per code", async () => {
    const page = await signedIn("/errors");
    await page.locator("tbody tr").first().waitFor();
    const codes = await page.locator("tbody tr").count();
    assert.equal(codes, 23);
    await page.getByLabel("Search").fill("certificate");
    await until(async () => { const shown = await page.locator("tbody tr").count(); return shown > 0 && shown < codes; }, "fewer rows");
    assert.equal(params(page).get("q"), "certificate");
    await page.goto(`${program.url}/errors/dns_error`);
    await page.getByRole("heading", { name: "As a Client failure" }).waitFor();
    await page.getByRole("link", { name: "nowhere" }).waitFor();
    await finish(page);
  });

  test("a token is made on a page, shown once, and what it may not do is not offered; the log of changes has it all", async () => {
    const page = await signedIn("/access/tokens");
    await button(page, "Create a token").click();
    await page.getByLabel("Name", { exact: true }).fill("looker");
    for (const name of ["Connectivity Directory Read", "Cloudflare Tunnel Read", "Workers Scripts Read"]) await page.getByText(name, { exact: true }).last().click();
    await button(page, "Create").click();
    const made = (await page.locator('pre[aria-label="token"]').innerText()).trim();
    await button(page, "Done").click();
    await page.getByRole("row", { name: /^looker/ }).getByText("Active").waitFor();
    assert.ok(!(await page.content()).includes(made));
    const looking = await signedIn("/services", { token: made });
    await looking.getByRole("row", { name: /^stock/ }).waitFor();
    assert.equal(await looking.getByText("Create a VPC Service").count(), 0);
    await page.goto(`${program.url}/access/audit`);
    await choose(page, "What", "service");
    assert.equal(params(page).get("resource"), "service");
    await page.locator(".event-head", { hasText: "update" }).first().click();
    await page.locator(".event-body").getByText(String(facts.first.port)).first().waitFor();
    await page.locator(".event-body").getByText(String(facts.second.port)).first().waitFor();
    // Revoked, and the session that it began is over.
    await page.goto(`${program.url}/access/tokens`);
    await button(page, "Revoke looker").click();
    await button(page, "Revoke").click();
    await looking.getByText("Your session has ended.").waitFor();
    await finish(looking);
    await finish(page);
  });

  test("a session that expires asks to sign in again, and goes on at the same address", async () => {
    const page = await openPage(world);
    const path = `/services/${facts.stock}?range=6h&category=Client`;
    await page.goto(program.url + path);
    const field = page.getByLabel("API token");
    await field.waitFor();
    // As long as this machine needs to sign in before it is over.
    for (let seconds = 6, seen = false; !seen; seconds *= 2) {
      const expires = new Date(Date.now() + seconds * 1_000).toISOString();
      const { value } = await program.api("/tokens", { method: "POST", body: { name: `for ${seconds} s`, permissions: ["connectivity-directory.read", "cloudflare-tunnel.read"], expires_on: expires } });
      await field.fill(value);
      const answered = page.waitForResponse((response) => response.request().method() === "POST" && response.url().endsWith("/session"));
      await button(page, "Sign in").click();
      if ((await answered).status() !== 200) continue;
      const [heading, ended] = [page.getByRole("heading", { name: "stock" }), page.getByText("Your session has ended.")];
      await heading.or(ended).first().waitFor();
      seen = await heading.isVisible();
      await ended.waitFor();
    }
    assert.equal(page.url(), program.url + path);
    await field.fill(program.token);
    await button(page, "Sign in").click();
    await page.getByRole("heading", { name: "stock" }).waitFor();
    assert.equal(page.url(), program.url + path);
    await finish(page);
  });

  for (const [colorScheme, width] of [["light", 1280], ["dark", 360]]) {
    test(`every page with what has happened so far: ${colorScheme}, ${width} px`, async () => {
      const page = await signedIn("/", { width, colorScheme });
      for (const path of [
        "/", "/services", "/services/new", `/services/${facts.stock}`, `/services/${facts.stock}/settings`, `/services/${facts.stock}/used-by`,
        `/services/${facts.vault}/diagnose`, "/tunnels", `/tunnels/${facts.tunnel}`, `/tunnels/${facts.tunnel}/metrics`, "/workers", "/workers/prober",
        "/workers/prober/logs", "/workers/prober/deployments", "/workers/prober/bindings", "/workers/prober/settings", "/errors",
        "/errors/connection_refused", "/access/tokens", "/access/audit",
      ]) {
        await page.goto(program.url + path);
        await page.locator("h1").first().waitFor();
        await until(async () => (await page.locator(".skeleton").count()) === 0, `${path} is loaded`);
        assert.equal(await page.getByRole("alert").count(), 0, `${path} shows an error: ${await page.getByRole("alert").allInnerTexts()}`);
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(sideways, 0, `${path} scrolls sideways by ${sideways} px`);
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        assert.deepEqual(violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => `${id}: ${nodes[0].target} ${nodes[0].failureSummary}`), [], path);
      }
      await finish(page);
    });
  }

  test("another token for the tunnel cuts its connectors, and the new command brings it back", async () => {
    const page = await signedIn(`/tunnels/${facts.tunnel}`);
    await button(page, "Delete this tunnel").click();
    await page.getByLabel("Type lab to confirm").fill("lab");
    await button(page, "Delete").click();
    await page.getByRole("alert").getByText("stock").waitFor();
    await button(page, "Cancel").click();
    await button(page, "Rotate the token").click();
    await button(page, "Rotate").click();
    await page.getByText("No connector", { exact: true }).waitFor();
    const command = await page.locator('pre[aria-label="culvert command"]').innerText();
    assert.notEqual(command, facts.commands[1]);
    assert.equal((await program.visit("/STOCK/7")).status, 500);
    program.shell([facts.commands[0], command]);
    await page.getByText("Connected", { exact: true }).first().waitFor();
    assert.equal((await program.visit("/STOCK/7")).text, "second");
    await finish(page);
  });
});
