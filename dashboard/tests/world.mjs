// A private network with a service for every kind of trouble, two connectors, and Workers that call them: what screenshots are made of.

import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./harness.mjs";
import { closedPort, expired, privateService, resolver, rude, selfSigned, startProgram } from "./program.mjs";

const SERVICES = "/connectivity/directory/services";

/** nginx with one page, where it is installed; else a service of Node's. */
async function webServer(program) {
  if (!existsSync("/usr/sbin/nginx")) return privateService("an answer");
  const port = await closedPort();
  const at = (name) => join(program.directory, name);
  writeFileSync(at("nginx.conf"), `pid ${at("nginx.pid")}; error_log /dev/null; daemon off; worker_processes 1; events {}
http { access_log off; client_body_temp_path ${at("body")}; proxy_temp_path ${at("proxy")}; fastcgi_temp_path ${at("fastcgi")}; uwsgi_temp_path ${at("uwsgi")}; scgi_temp_path ${at("scgi")};
server { listen 127.0.0.1:${port}; location / { default_type application/json; return 200 '{"sku": 7, "left": 41}'; } location = /gone { return 404; } } }`);
  const child = spawn("/usr/sbin/nginx", ["-c", at("nginx.conf"), "-p", program.directory], { stdio: "ignore" });
  await until(() => fetch(`http://127.0.0.1:${port}/`).then((response) => response.ok, () => false), "nginx answers");
  return { port, close: () => new Promise((resolve) => { child.once("exit", resolve); child.kill(); }) };
}

/** Starts it all. The answer has the program, what there is in it by name, `traffic()` for a round of requests, and `close()`. */
export async function startWorld() {
  const program = await startProgram();
  try {
    return await furnish(program);
  } catch (error) {
    await program.close();
    throw error;
  }
}

async function furnish(program) {
  const { api, directory } = program;
  const names = await resolver({ "stock.internal": "127.0.0.1", "metadata.internal": "169.254.169.254", "broken.internal": "servfail", "silent.internal": "silence" });
  const servers = {
    stock: await webServer(program),
    expired: await privateService("never seen", { tls: expired(directory) }),
    own: await privateService("never seen", { tls: selfSigned(directory) }),
    silent: await rude(() => undefined),
    garbage: await rude((socket) => socket.end("220 mail.internal ESMTP\r\n")),
    cut: await rude((socket) => socket.once("data", () => { socket.write("HTTP/1.1 200 OK\r\nContent-", () => socket.destroy()); })),
    short: await rude((socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\nonly this"))),
  };
  const tunnels = {};
  for (const name of ["warehouse", "office-vienna", "branch-that-was-never-connected"]) tunnels[name] = await api("/cfd_tunnel", { method: "POST", body: { name, config_src: "cloudflare" } });
  const ca = join(directory, "tunnel-ca.pem");
  const connect = (tunnel, more = "") => program.shell([`culvert connect --edge ${program.addresses.tunnel} --ca ${ca} --token ${tunnels[tunnel].token} --dns-resolver ${names.address} ${more}`]);
  connect("warehouse");
  connect("warehouse");
  if (existsSync(process.env.CLOUDFLARED ?? "")) {
    program.shell([`${process.env.CLOUDFLARED} tunnel --no-autoupdate --metrics 127.0.0.1:0 --edge ${program.addresses.tunnel} --cacert ${ca} --protocol http2 run --token ${tunnels["office-vienna"].token}`]);
  } else connect("office-vienna", "--protocol http2");
  const connections = async (tunnel) => (await api(`/cfd_tunnel/${tunnels[tunnel].id}/connectors`)).flatMap((each) => each.connections).length;
  for (const [tunnel, wanted] of [["warehouse", 8], ["office-vienna", 1]]) await until(async () => (await connections(tunnel)) >= wanted, `${tunnel} is connected`);

  const services = {};
  const register = async (name, { hostname, ipv4 = "127.0.0.1", ...rest }, tunnel = "warehouse") => {
    const network = { tunnel_id: tunnels[tunnel].id };
    const host = hostname === undefined ? { ipv4, network } : { hostname, resolver_network: network };
    services[name] = (await api(SERVICES, { method: "POST", body: { name, type: "http", host, ...rest } })).service_id;
  };
  await register("inventory", { hostname: "stock.internal", http_port: servers.stock.port });
  await register("orders", { http_port: servers.stock.port });
  await register("billing", { https_port: servers.expired.port });
  await register("ledger", { https_port: servers.own.port });
  await register("payments", { http_port: await closedPort() });
  await register("search", { hostname: "search.internal", http_port: 9200 });
  await register("geo", { hostname: "broken.internal", http_port: 80 });
  await register("names", { hostname: "silent.internal", http_port: 80, policy: { dns_timeout_ms: 400 } });
  await register("metadata", { hostname: "metadata.internal", http_port: 80 });
  await register("archive", { http_port: servers.silent.port, policy: { read_timeout_ms: 300 } });
  await register("mail", { http_port: servers.garbage.port });
  await register("reports", { http_port: servers.cut.port });
  await register("catalogue", { http_port: servers.short.port });
  await register("legacy-erp", { https_port: servers.stock.port });
  await register("far", { ipv4: "192.0.2.77", http_port: 8080, policy: { connect_timeout_ms: 500 } });
  await register("write-only", { http_port: servers.stock.port, policy: { allowed_methods: ["POST"] } });
  await register("throttled", { http_port: servers.stock.port, policy: { max_new_connections_per_second: 1 } });
  await register("printer", { http_port: 631 }, "branch-that-was-never-connected");
  await register("crm", { http_port: servers.stock.port }, "office-vienna");
  await register("database", { type: "tcp", tcp_port: 5432, app_protocol: "postgresql" });

  // What visitors reach without a Worker: one answers, the other does not.
  const published = { "wiki.example.test": servers.stock.port, "intranet.example.test": await closedPort() };
  const ingress = Object.entries(published).map(([hostname, port]) => ({ hostname, service: `http://127.0.0.1:${port}` }));
  await api(`/cfd_tunnel/${tunnels.warehouse.id}/configurations`, { method: "PUT", body: { config: { ingress: [...ingress, { service: "http_status:404" }] } } });
  for (const hostname of Object.keys(published)) await api(`/cfd_tunnel/${tunnels.warehouse.id}/hostnames/${hostname}`, { method: "PUT" });

  const all = Object.fromEntries(Object.entries(services).map(([name, id]) => [name.toUpperCase().replaceAll("-", "_"), id]));
  await program.deploy({ INVENTORY: services.inventory }, { name: "shop", message: "First version" });
  await program.deploy({ INVENTORY: services.inventory, ORDERS: services.orders, PAYMENTS: services.payments }, { name: "shop", message: "Payments by the new provider" });
  await program.deploy(all, { name: "checkout", message: "Everything is bound" });
  await program.deploy({ CRM: services.crm, INVENTORY: services.inventory }, { name: "nightly-report" });
  await program.deploy({}, { name: "untouched" });
  await api("/workers/scripts/shop/secrets", { method: "PUT", body: { name: "PAYMENT_KEY", text: "sk_live_never_shown", type: "secret_text" } });
  await api("/workers/scripts/shop/routes", { method: "PUT", body: [{ pattern: "shop.example.com/*" }] });
  await api("/workers/scripts/nightly-report/schedules", { method: "PUT", body: [{ cron: "* * * * *" }] });
  await api("/tokens", { method: "POST", body: { name: "ci", permissions: ["workers-scripts.edit", "connectivity-directory.bind"], expires_on: new Date(Date.now() + 90 * 86_400_000).toISOString() } });

  const visit = (worker, path) => program.visit(path, `${worker}.localhost`);
  const faulty = ["BILLING/x?https", "LEDGER/x?https", "PAYMENTS/charge", "SEARCH/q", "GEO/at", "NAMES/who", "METADATA/latest", "ARCHIVE/2019", "MAIL/inbox", "REPORTS/7", "CATALOGUE/all", "LEGACY_ERP/x?https", "FAR/away", "WRITE_ONLY/x", "PRINTER/job", "THROTTLED/a", "THROTTLED/b", "THROTTLED/c"];
  return {
    program, tunnels, services, servers,
    async traffic(rounds = 1) {
      for (let round = 0; round < rounds; round += 1) {
        const requests = [];
        for (let each = 0; each < 12; each += 1) requests.push(visit("shop", `/INVENTORY/stock/${each}?utm_source=newsletter`), visit("checkout", `/ORDERS/${1000 + each}`));
        for (const path of faulty) requests.push(visit("checkout", `/${path}`));
        requests.push(visit("shop", "/PAYMENTS/charge"), visit("shop", "/throw/an%20order%20without%20lines"), visit("shop", "/missing/page"), visit("nightly-report", "/CRM/customers"), visit("nightly-report", "/INVENTORY/all"));
        // What nobody waits for, and visitors at published hosts.
        requests.push(visit("checkout", "/ARCHIVE/2020?within=100"), ...Object.keys(published).map((hostname) => program.visit("/", hostname)));
        // One of them ends half-way, as it should.
        await Promise.allSettled(requests);
      }
    },
    /** What takes a limit to end. */
    async excess() {
      await visit("shop", "/spin");
      await visit("checkout", "/hoard");
    },
    async close() {
      for (const server of Object.values(servers)) await server.close();
      await names.close();
      await program.close();
    },
  };
}
