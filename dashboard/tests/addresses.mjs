// All pages of the world of `world.mjs`, for those who look at every one: tests, and screenshots.

/** By name: the address of a page, what to do there first, and whether something is refused there. */
export async function pages(api) {
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
    "service-delete": [service("inventory", "/settings"), async (page) => { await press("Delete this service")(page); await page.getByLabel("Type inventory").fill("inventory"); await press("Delete")(page); await page.getByRole("alert").waitFor(); }, true],
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
    "worker-deploy": ["/workers/shop/deployments", press("Roll back to version 1")],
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
