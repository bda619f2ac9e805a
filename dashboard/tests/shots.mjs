// `npm run shots -- DIR [FILTER]`: pictures of every page of the real program, with real traffic and real faults, in light and dark, wide
// and at 360 px, to be looked at. `npm run world` only starts the world, says where it is, and lets requests come until it is stopped; with
// CULVERT_API and CULVERT_API_TOKEN of such a world (or DASHBOARD, where `npm run dev` serves another build of the dashboard before it) the
// pictures are of that one.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch, openPage, signIn, until } from "./harness.mjs";
import { startWorld } from "./world.mjs";

const [directory, filter = ""] = process.argv.slice(2);
const { CULVERT_API, CULVERT_API_TOKEN, DASHBOARD } = process.env;

/** The addresses of all pages, and what to do there first. */
async function pages(api) {
  const services = Object.fromEntries((await api("/connectivity/directory/services?per_page=100")).map((each) => [each.name, each.service_id]));
  const tunnels = Object.fromEntries((await api("/cfd_tunnel?is_deleted=false")).map((each) => [each.name, each.id]));
  const open = async (page) => {
    await page.locator(".event-head").first().click();
    await page.locator(".event-body").first().waitFor();
  };
  const press = (name) => (page) => page.getByRole("button", { name, exact: true }).first().click();
  const service = (name, tab = "") => `/services/${services[name]}${tab}`;
  return {
    overview: ["/"],
    services: ["/services"],
    "services-filtered": ["/services?state=failing"],
    "services-none": ["/services?q=no-such-thing"],
    "service-new": ["/services/new"],
    "service-new-wrong": ["/services/new", async (page) => { await page.getByText("Timeouts, limits and policy").click(); await press("Create")(page); await page.getByText("Give the service a name.").waitFor(); }],
    "service-healthy": [service("inventory")],
    "service-failing": [service("billing", "?range=15m"), open],
    "service-dns": [service("search", "?range=6h"), open],
    "service-idle": [service("database")],
    "service-settings": [service("archive", "/settings"), (page) => page.getByLabel("Service name").waitFor()],
    "service-delete": [service("inventory", "/settings"), async (page) => { await press("Delete this service")(page); await page.getByLabel("Type inventory").fill("inventory"); await press("Delete")(page); await page.getByRole("alert").waitFor(); }],
    "service-used-by": [service("inventory", "/used-by")],
    "service-diagnose": [service("inventory", "/diagnose"), async (page) => { await press("Diagnose")(page); await page.getByText(/It answers/).waitFor(); }],
    "service-diagnose-expired": [service("billing", "/diagnose"), async (page) => { await press("Diagnose")(page); await page.locator(".phase-list").waitFor(); await page.getByText("Facts").last().click(); }],
    "service-missing": ["/services/00000000-0000-4000-8000-000000000000"],
    tunnels: ["/tunnels"],
    "tunnel-new": ["/tunnels/new"],
    tunnel: [`/tunnels/${tunnels.warehouse}`, async (page) => { await press("Show the commands and the token")(page); await page.getByText("With culvert").waitFor(); }],
    "tunnel-http2": [`/tunnels/${tunnels["office-vienna"]}`],
    "tunnel-down": [`/tunnels/${tunnels["branch-that-was-never-connected"]}`],
    "tunnel-metrics": [`/tunnels/${tunnels.warehouse}/metrics`],
    workers: ["/workers"],
    worker: ["/workers/checkout"],
    "worker-shop": ["/workers/shop"],
    "worker-idle": ["/workers/untouched"],
    "worker-logs": ["/workers/shop/logs", open],
    "worker-logs-error": ["/workers/checkout/logs?outcome=exception", open],
    "worker-logs-cron": ["/workers/nightly-report/logs", open],
    "worker-logs-none": ["/workers/untouched/logs"],
    "worker-deployments": ["/workers/shop/deployments"],
    "worker-deploy": ["/workers/shop/deployments", press("Deploy version 1")],
    "worker-bindings": ["/workers/checkout/bindings"],
    "worker-bindings-none": ["/workers/untouched/bindings"],
    "worker-settings": ["/workers/shop/settings"],
    "worker-variable": ["/workers/shop/settings", press("Add a variable")],
    errors: ["/errors"],
    "errors-search": ["/errors?q=certificate"],
    "error-dns": ["/errors/dns_error"],
    "error-refused": ["/errors/connection_refused"],
    "access-tokens": ["/access/tokens"],
    "access-token-new": ["/access/tokens", async (page) => { await press("Create a token")(page); await page.getByLabel("Name").waitFor(); }],
    "access-audit": ["/access/audit", open],
    nowhere: ["/nowhere"],
  };
}

async function take(world) {
  mkdirSync(directory, { recursive: true });
  const browser = await launch();
  for (const [form, colorScheme, width, height] of [["light", "light", 1280, 860], ["dark", "dark", 1280, 860], ["light-360", "light", 360, 740], ["dark-360", "dark", 360, 740]]) {
    const page = await openPage({ browser }, { colorScheme, width, height });
    const site = { mock: { url: DASHBOARD ?? world.url } };
    await page.goto(site.mock.url);
    await page.getByLabel("API token").fill("cvt_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    if ("sign-in".includes(filter)) await page.screenshot({ path: join(directory, `sign-in.${form}.png`) });
    await signIn(site, page, "/", world.token);
    for (const [name, [path, act]] of Object.entries(await pages(world.api))) {
      if (!name.includes(filter)) continue;
      try {
        await page.goto(site.mock.url + path);
        await page.locator("h1").first().waitFor();
        await until(async () => (await page.locator(".skeleton").count()) === 0, "it is loaded");
        await act?.(page);
        await until(async () => (await page.locator(".skeleton").count()) === 0, "it is loaded");
        await page.screenshot({ path: join(directory, `${name}.${form}.png`), fullPage: true, animations: "disabled" });
      } catch (error) {
        console.error(`${name} (${form}): ${error.message.split("\n")[0]}`);
        await page.screenshot({ path: join(directory, `${name}.${form}.png`), fullPage: true });
      }
    }
    for (const complaint of page.complaints) console.error(`${form}: ${complaint}`);
    await page.context().close();
  }
  await browser.close();
}

const account = (url, token) => async (path) => {
  const answer = await (await fetch(`${url}/client/v4/accounts/local${path}`, { headers: { authorization: `Bearer ${token}` } })).json();
  if (!answer.success) throw new Error(`${path}: ${JSON.stringify(answer.errors)}`);
  return answer.result;
};

if (directory !== undefined && CULVERT_API !== undefined && CULVERT_API_TOKEN !== undefined) {
  await take({ url: CULVERT_API, token: CULVERT_API_TOKEN, api: account(CULVERT_API, CULVERT_API_TOKEN) });
} else {
  const world = await startWorld();
  try {
    await world.traffic(6);
    await world.excess();
    if (directory === undefined) {
      console.log(`export CULVERT_API=${world.program.url} CULVERT_API_TOKEN=${world.program.token}`);
      const stopped = new Promise((resolve) => { process.once("SIGINT", resolve); process.once("SIGTERM", resolve); });
      for (let going = true; going;) {
        going = await Promise.race([stopped.then(() => false), new Promise((resolve) => { setTimeout(() => resolve(true), 10_000); })]);
        if (going) await world.traffic();
      }
    } else await take({ url: world.program.url, token: world.program.token, api: world.program.api });
  } finally {
    await world.close();
  }
}
