// Facts of a busy small installation, made with a fixed seed: what the mock server answers with.

/** Numbers that look random and are the same each time. */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export function uuid(next) {
  const hex = Array.from({ length: 32 }, () => Math.floor(next() * 16).toString(16)).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

const FAILURES = [
  { code: "connection_refused", category: "Bad Upstream", phase: "connect", detail: "10.0.0.9:8080 refused the connection (ECONNREFUSED).", retryable: true },
  { code: "tls_certificate_error", category: "Bad Upstream", phase: "tls", detail: "The certificate of 10.0.0.7:8443 (CN=billing.internal) expired on 2026-11-01.", retryable: false },
  { code: "dns_error", category: "Client", phase: "dns", detail: "invntory.internal does not exist (NXDOMAIN, by 10.0.0.2).", retryable: false },
  { code: "dns_error", category: "Bad Upstream", phase: "dns", detail: "The resolver 10.0.0.2 answered SERVFAIL for inventory.internal.", retryable: true },
  { code: "connection_read_timeout", category: "Client", phase: "head", detail: "Nothing was received from 10.0.0.5:8080 for 60 s.", retryable: false },
  { code: "destination_unavailable", category: "Bad Upstream", phase: "route", detail: "The tunnel branch-office has no live connector.", retryable: true },
  { code: "proxy_internal_error", category: "Internal", phase: "request", detail: "A stream was closed by the edge while the request was being sent.", retryable: false },
];

/** Services, tunnels, Workers, tokens, and what happened to them in the six hours before `now`. */
export function makeFacts(now, { empty = false } = {}) {
  const next = random(7);
  const iso = (ago) => new Date(now - ago).toISOString();
  const HOUR = 3_600_000;
  const facts = { tunnels: [], services: [], workers: [], tokens: [], audit: [], connections: [], invocations: [] };
  facts.tokens.push({ id: uuid(next), name: "administrator", status: "active", permissions: PERMISSIONS.map(([id]) => id), issued_on: iso(700 * HOUR), expires_on: null, last_used_on: iso(0), revoked_on: null, secret: "cvt_admin" });
  if (empty) return facts;

  facts.tokens.push({ id: uuid(next), name: "looker", status: "active", permissions: ["connectivity-directory.read", "cloudflare-tunnel.read", "workers-scripts.read"], issued_on: iso(90 * HOUR), expires_on: iso(-24 * HOUR), last_used_on: iso(2 * HOUR), revoked_on: null, secret: "cvt_looker" });
  const connector = (version, protocol, count, ip, warnings = []) => {
    const id = uuid(next);
    return {
      id, version, platform: "linux_amd64", features: [], draining: false, warnings,
      connections: Array.from({ length: count }, (_, index) => ({ id: uuid(next), connector: id, index, transport: protocol, since: iso(5 * HOUR - index * 1500), remote_address: `${ip}:${40_000 + index}`, rtt_ms: protocol === "quic" ? 1.2 + next() * 3 : 0, flows: Math.floor(next() * 9), flows_total: Math.floor(next() * 90_000), bytes_sent: Math.floor(next() * 9e6), bytes_received: Math.floor(next() * 9e8), draining: false })),
    };
  };
  const tunnel = (name, connectors) => {
    const made = { id: uuid(next), name, created_at: iso(400 * HOUR), connectors, secret: uuid(next) };
    facts.tunnels.push(made);
    return made;
  };
  const warehouse = tunnel("warehouse", [connector("0.1.0", "quic", 4, "192.0.2.10"), connector("2025.7.0", "quic", 4, "192.0.2.11")]);
  const finance = tunnel("finance", [connector("2024.12.1", "http2", 2, "198.51.100.4", ["cloudflared 2024.12.1 cannot carry DNS: host names behind this tunnel fail with dns_error. Update it to 2025.7.0 or newer.", "It is connected by HTTP/2. Let it reach the edge over UDP, so that it connects by QUIC."])]);
  const branch = tunnel("branch-office", []);

  const service = (spec) => {
    const made = { service_id: uuid(next), ...spec, created_at: iso(300 * HOUR), updated_at: iso(30 * HOUR) };
    facts.services.push(made);
    return made;
  };
  const network = (of) => ({ network: { tunnel_id: of.id } });
  const inventory = service({ name: "inventory", type: "http", host: { hostname: "inventory.internal", resolver_network: { tunnel_id: warehouse.id, resolver_ips: ["10.0.0.2"] } }, http_port: 8080 });
  const orders = service({ name: "orders", type: "http", host: { ipv4: "10.0.0.6", ipv6: "fd00::6", ...network(warehouse) } });
  const billing = service({ name: "billing", type: "http", host: { ipv4: "10.0.0.7", ...network(finance) }, https_port: 8443, tls_settings: { cert_verification_mode: "verify_ca" } });
  const ledger = service({ name: "ledger-db", type: "tcp", host: { ipv4: "10.0.0.8", ...network(finance) }, tcp_port: 5432, app_protocol: "postgresql" });
  const legacy = service({ name: "legacy-reports", type: "http", host: { ipv4: "10.0.0.9", ...network(warehouse) }, http_port: 8080 });
  const kiosk = service({ name: "kiosk", type: "http", host: { ipv4: "10.8.0.3", ...network(branch) }, http_port: 80 });

  const worker = (name, bindings) => {
    const versions = [1, 2, 3].map((number) => ({
      id: uuid(next), number,
      metadata: { created_on: iso((4 - number) * 40 * HOUR), source: "wrangler", author_id: "ci", author_email: "ci@localhost" },
      annotations: { "workers/triggered_by": "upload", "workers/message": ["First version", "Cache stock for a minute", "Show the supplier"][number - 1], "workers/tag": `v${number}` },
      startup_time_ms: 3, resources: { script: { etag: "e", handlers: ["fetch"] }, script_runtime: { compatibility_date: "2025-09-01", compatibility_flags: ["nodejs_compat"], limits: { cpu_ms: 50 } }, bindings },
    }));
    const made = {
      name, bindings, limits: { cpu_ms: 50 }, observability: { enabled: true, head_sampling_rate: 1 }, versions, created_on: iso(120 * HOUR), modified_on: iso(40 * HOUR), subdomain: true,
      routes: [{ id: "1", pattern: `${name}.example.com/*`, zone_name: "example.com" }], schedules: [{ cron: "*/5 * * * *", created_on: iso(100 * HOUR) }], domains: [],
      deployments: [
        { id: uuid(next), created_on: iso(40 * HOUR), source: "wrangler", author_email: "ci@localhost", annotations: { "workers/triggered_by": "upload" }, versions: [{ version_id: versions[2].id, percentage: 90 }, { version_id: versions[1].id, percentage: 10 }] },
        { id: uuid(next), created_on: iso(80 * HOUR), source: "wrangler", author_email: "ci@localhost", annotations: { "workers/triggered_by": "upload", "workers/message": "Cache stock for a minute" }, versions: [{ version_id: versions[1].id, percentage: 100 }] },
      ],
    };
    facts.workers.push(made);
    return made;
  };
  const shop = worker("shop", [
    { name: "INVENTORY", type: "vpc_service", service_id: inventory.service_id }, { name: "ORDERS", type: "vpc_service", service_id: orders.service_id },
    { name: "GREETING", type: "plain_text", text: "hello" }, { name: "FEATURES", type: "json", json: { suppliers: true } }, { name: "API_KEY", type: "secret_text" },
  ]);
  const invoices = worker("invoices", [{ name: "BILLING", type: "vpc_service", service_id: billing.service_id }, { name: "LEDGER", type: "vpc_service", service_id: ledger.service_id }, { name: "SHOP", type: "service", service: "shop" }]);
  const reports = worker("reports", [{ name: "LEGACY", type: "vpc_service", service_id: legacy.service_id }, { name: "KIOSK", type: "vpc_service", service_id: kiosk.service_id }, { name: "NET", type: "vpc_network", tunnel_id: warehouse.id }]);

  const traffic = [
    [inventory, shop, warehouse, 2600, 0.012], [orders, shop, warehouse, 1400, 0], [billing, invoices, finance, 700, 0.09],
    [ledger, invoices, finance, 300, 0], [legacy, reports, warehouse, 420, 0.85], [kiosk, reports, branch, 40, 1],
  ];
  for (const [target, by, through, count, share] of traffic) {
    for (let index = 0; index < count; index += 1) {
      const at = Math.floor(now - next() * 5 * HOUR);
      const connectors = through.connectors;
      const chosen = connectors[Math.floor(next() * connectors.length)];
      const failure = next() < share
        ? (target === legacy ? FAILURES[0] : target === kiosk ? FAILURES[5] : target === billing ? (next() < 0.8 ? FAILURES[1] : FAILURES[6]) : [FAILURES[2], FAILURES[3], FAILURES[4]][Math.floor(next() * 3)])
        : undefined;
      addConnection(facts, next, { service: target, worker: by, tunnel: through, connector: failure?.phase === "route" ? undefined : chosen?.id, at, failure });
    }
  }
  facts.connections.sort((a, b) => b.timestamp - a.timestamp);
  facts.invocations.sort((a, b) => b.eventTimestamp - a.eventTimestamp);
  facts.audit.push(
    { id: uuid(next), when: iso(30 * HOUR), actor: { name: "administrator", token_id: facts.tokens[0].id, address: "192.0.2.77" }, action: "update", resource: { type: "service", id: inventory.service_id }, before: { name: "inventory", http_port: 80 }, after: { name: "inventory", http_port: 8080 } },
    { id: uuid(next), when: iso(40 * HOUR), actor: { name: "ci", address: "192.0.2.20" }, action: "deploy", resource: { type: "worker", id: "shop" }, before: null, after: { versions: [{ percentage: 90 }] } },
    { id: uuid(next), when: iso(400 * HOUR), actor: { name: "culvert" }, action: "create", resource: { type: "token", id: facts.tokens[0].id }, before: null, after: { name: "administrator" } },
  );
  return facts;
}

const REACHED = { route: [], dns: ["dns"], connect: ["dns", "connect"], tls: ["dns", "connect", "tls"], request: ["dns", "connect", "tls", "request"], head: ["dns", "connect", "tls", "request", "head"] };

/** One attempt, with the invocation that made it. */
export function addConnection(facts, next, { service, worker, tunnel, connector, at, failure }) {
  const named = service.host.hostname !== undefined;
  const tls = service.https_port !== undefined;
  const reused = failure === undefined && next() < 0.4;
  const timings = {};
  for (const phase of failure === undefined ? REACHED.head : REACHED[failure.phase]) {
    if (phase === "dns" && (!named || reused)) continue;
    if (phase === "connect" && reused) continue;
    if (phase === "tls" && (!tls || reused)) continue;
    const scale = { dns: 0.9, connect: 0.7, tls: 3.5, request: 0.1, head: 6 }[phase];
    timings[phase] = Number((scale * (0.4 + next() * next() * 4)).toFixed(3));
    if (failure?.code === "connection_read_timeout" && phase === "head") timings[phase] = 60_000;
  }
  const rayId = Array.from({ length: 16 }, () => Math.floor(next() * 16).toString(16)).join("");
  const invocationId = uuid(next);
  const version = worker.versions[next() < 0.9 ? 2 : 1].id;
  const connection = {
    id: uuid(next), timestamp: at, serviceId: service.service_id, serviceName: service.name, tunnelId: tunnel.id, worker: worker.name, invocationId, rayId, reused, timings,
    ...(connector === undefined ? {} : { connectorId: connector }),
    ...(failure?.phase === "route" || failure?.phase === "dns" ? {} : { address: `${service.host.ipv4 ?? "10.0.0.5"}:${service.http_port ?? service.https_port ?? service.tcp_port ?? 80}` }),
    ...(failure === undefined ? { status: 200 } : failure),
  };
  facts.connections.push(connection);
  const outcome = failure === undefined ? (next() < 0.004 ? "exceededCpu" : "ok") : next() < 0.3 ? "exception" : "ok";
  const duration = Object.values(timings).reduce((sum, value) => sum + value, 0);
  facts.invocations.push({
    id: invocationId, rayId, outcome, scriptName: worker.name, scriptVersion: { id: version }, eventType: "fetch", eventTimestamp: at - 1,
    event: {
      request: { method: "GET", url: `http://${worker.name}.localhost:8787/stock/${Math.floor(next() * 90)}?page=1`, headers: { accept: "*/*", "cf-ray": rayId, "user-agent": "curl/8.5.0", authorization: "REDACTED" } },
      ...(outcome === "ok" ? { response: { status: failure === undefined ? 200 : 503 } } : {}),
    },
    logs: [{ timestamp: at, level: "log", message: ["looking up", { item: 7 }] }, ...(failure === undefined ? [] : [{ timestamp: at + 2, level: "error", message: [`ProxyError: ${failure.code}`] }])],
    exceptions: outcome === "exception" ? [{ timestamp: at + 3, name: "Error", message: `ProxyError: ${failure.code}`, stack: "    at Object.fetch (index.js:12:31)\n    at handle (index.js:3:5)", connection: { ...failure, timings } }]
      : outcome === "exceededCpu" ? [{ timestamp: at + 3, name: "Error", message: "Worker exceeded CPU time limit." }] : [],
    subrequests: [{ target: service.name.toUpperCase(), method: "GET", url: `http://${service.host.hostname ?? service.host.ipv4}/stock/7`, startedMs: 0.4, durationMs: duration, ...(failure === undefined ? { status: 200 } : { error: failure.code }) }],
    wallTime: duration + 0.9, cpuTime: outcome === "exceededCpu" ? 50 : Number((0.2 + next() * 1.5).toFixed(3)), memory: Math.floor(3e6 + next() * 2e6), truncated: false,
  });
  return connection;
}

export const PERMISSIONS = [
  ["account-settings.read", "Account Settings Read"], ["api-tokens.edit", "API Tokens Edit"], ["connectivity-directory.admin", "Connectivity Directory Admin"],
  ["connectivity-directory.bind", "Connectivity Directory Bind"], ["connectivity-directory.read", "Connectivity Directory Read"], ["cloudflare-tunnel.edit", "Cloudflare Tunnel Edit"],
  ["cloudflare-tunnel.read", "Cloudflare Tunnel Read"], ["workers-scripts.edit", "Workers Scripts Edit"], ["workers-scripts.read", "Workers Scripts Read"], ["workers-tail.read", "Workers Tail Read"],
];
