// All pages of the world of `world.mjs`, for those who look at every one: tests, and screenshots.

/** By name: the address of a page, what to do there first, and whether something is refused there. */
export async function pages(api) {
  const services = Object.fromEntries((await api("/connectivity/directory/services?per_page=100")).map((each) => [each.name, each.service_id]));
  const tunnels = Object.fromEntries((await api("/cfd_tunnel?is_deleted=false")).map((each) => [each.name, each.id]));
  const open = async (page) => {
    await page.locator(".event-head").first().click();
    await page.locator(".event-body").first().waitFor();
  };
  const tokens = Object.fromEntries((await api("/tokens")).map((each) => [each.name, each.id]));
  const dialog = (page) => page.getByRole("dialog").waitFor();
  const press = (name) => (page) => page.getByRole("button", { name, exact: true }).first().click();
  const service = (name, tab = "") => `/services/${services[name]}${tab}`;
  return {
    overview: ["/"],
    "overview-range": ["/?dialog=range", dialog],
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
    "service-settings-advanced": [service("archive", "/settings?advanced=shown"), (page) => page.getByLabel("Idle").waitFor()],
    "service-tables": [service("payments", "?table-successful-connections=shown&table-failed-connections-by-category=shown"), (page) => page.locator(".chart-table td").first().waitFor()],
    "service-delete": [service("inventory", "/settings"), async (page) => { await press("Delete this service")(page); await page.getByLabel("Type inventory").fill("inventory"); await press("Delete")(page); await page.getByRole("alert").waitFor(); }, true],
    "service-used-by": [service("inventory", "/used-by")],
    "service-diagnose": [service("inventory", "/diagnose"), async (page) => { await press("Diagnose")(page); await page.getByText(/It answers/).waitFor(); }],
    "service-diagnose-expired": [service("billing", "/diagnose"), async (page) => { await press("Diagnose")(page); await page.locator(".phase-list").waitFor(); await page.getByText("Facts").last().click(); }],
    "service-diagnose-link": [service("inventory", "/diagnose?scheme=http&host=stock.internal&path=%2Fhealth&ran=1795000000000"), (page) => page.getByText("What came of it is not kept").waitFor()],
    "service-missing": ["/services/00000000-0000-4000-8000-000000000000"],
    tunnels: ["/tunnels"],
    "tunnel-new": ["/tunnels/new"],
    tunnel: [`/tunnels/${tunnels.warehouse}`, async (page) => { await press("Show the commands and the token")(page); await page.getByText("With culvert").waitFor(); }],
    "tunnel-rotate": [`/tunnels/${tunnels.warehouse}?dialog=rotate`, dialog],
    "tunnel-delete": [`/tunnels/${tunnels.warehouse}?dialog=delete`, async (page) => { await page.getByLabel("Type warehouse").fill("warehouse"); await press("Delete")(page); await page.getByRole("alert").waitFor(); }, true],
    "tunnel-http2": [`/tunnels/${tunnels["office-vienna"]}`],
    "tunnel-down": [`/tunnels/${tunnels["branch-that-was-never-connected"]}`],
    "tunnel-metrics": [`/tunnels/${tunnels.warehouse}/metrics`],
    "tunnel-visitor": [`/tunnels/${tunnels.warehouse}/metrics?service=${tunnels.warehouse}`, open],
    workers: ["/workers"],
    worker: ["/workers/checkout"],
    "worker-shop": ["/workers/shop"],
    "worker-idle": ["/workers/untouched"],
    "worker-logs": ["/workers/shop/logs", open],
    "worker-logs-error": ["/workers/checkout/logs?outcome=exception", open],
    "worker-logs-cron": ["/workers/nightly-report/logs", open],
    "worker-logs-record": ["/workers/shop/logs?headers=shown&json=shown", open],
    "worker-logs-none": ["/workers/untouched/logs"],
    "worker-deployments": ["/workers/shop/deployments"],
    "worker-deploy": ["/workers/shop/deployments", press("Roll back to version 1")],
    "worker-deploy-secrets": ["/workers/shop/deployments", async (page) => { await press("Roll back to version 1")(page); await press("Roll back")(page); await page.getByText("Bring the old secrets back").waitFor(); }, true],
    "worker-missing": ["/workers/nobody/logs"],
    "worker-bindings": ["/workers/checkout/bindings"],
    "worker-bindings-none": ["/workers/untouched/bindings"],
    "worker-settings": ["/workers/shop/settings"],
    "worker-variable": ["/workers/shop/settings?dialog=add-variable", dialog],
    "worker-variable-change": ["/workers/shop/settings?dialog=change-variable&of=GREETING", dialog],
    "worker-secret": ["/workers/shop/settings?dialog=add-secret", dialog],
    "worker-secret-replace": ["/workers/shop/settings?dialog=replace-secret&of=PAYMENT_KEY", dialog],
    "worker-secret-delete": ["/workers/shop/settings?dialog=delete-secret&of=PAYMENT_KEY", dialog],
    "worker-delete": ["/workers/shop/settings?dialog=delete", dialog],
    errors: ["/errors"],
    "errors-search": ["/errors?q=certificate"],
    "error-dns": ["/errors/dns_error"],
    "error-refused": ["/errors/connection_refused"],
    "access-tokens": ["/access/tokens"],
    "access-token-new": ["/access/tokens?dialog=create-token", dialog],
    "access-token-revoke": [`/access/tokens?dialog=revoke-token&of=${tokens.ci}`, dialog],
    "access-audit": ["/access/audit", open],
    nowhere: ["/nowhere"],
  };
}
