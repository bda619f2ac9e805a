// A server that answers as API.md says, over facts in memory: for developing and testing the dashboard where the program has not
// everything yet. `npm run mock` serves it at 127.0.0.1:8788, with the token cvt_admin.

import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { errorRows } from "./errors.mjs";
import { addConnection, makeFacts, PERMISSIONS, random } from "./facts.mjs";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FAILED_OUTCOMES = ["exception", "exceededCpu", "exceededMemory", "internalError", "loadShed"];

class Refused extends Error {
  constructor(status, code, message, pointer) {
    super(message);
    Object.assign(this, { status, code, pointer });
  }
}

function quantiles(values) {
  const known = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  if (known.length === 0) return undefined;
  const at = (share) => known[Math.min(known.length - 1, Math.floor(share * known.length))];
  return { count: known.length, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

const CONNECTIONS = {
  time: (row) => row.timestamp,
  failed: (row) => row.code !== undefined,
  dimensions: { service: (row) => row.serviceId, tunnel: (row) => row.tunnelId, connector: (row) => row.connectorId ?? null, worker: (row) => row.worker, category: (row) => row.category ?? null, code: (row) => row.code ?? null },
  key: { service: (row) => ({ service: row.serviceId, service_name: row.serviceName }), code: (row) => ({ code: row.code ?? null, category: row.category ?? null }) },
  extra: () => ({}),
  quantiles: (rows) => ({
    dns: quantiles(rows.map((row) => row.timings.dns)), connect: quantiles(rows.map((row) => row.timings.connect)), tls: quantiles(rows.map((row) => row.timings.tls)),
    first_byte: quantiles(rows.filter((row) => row.timings.head !== undefined && row.code === undefined).map((row) => Object.values(row.timings).reduce((sum, value) => sum + value, 0))),
  }),
};

const INVOCATIONS = {
  time: (row) => row.eventTimestamp,
  failed: (row) => FAILED_OUTCOMES.includes(row.outcome),
  dimensions: { worker: (row) => row.scriptName, version: (row) => row.scriptVersion.id, outcome: (row) => row.outcome },
  key: {},
  extra: (rows) => ({ subrequests: rows.reduce((sum, row) => sum + row.subrequests.length, 0) }),
  quantiles: (rows) => ({ cpu: quantiles(rows.map((row) => row.cpuTime)), wall: quantiles(rows.map((row) => row.wallTime)), memory: quantiles(rows.map((row) => row.memory)) }),
};

function filtered(rows, kind, query) {
  return rows.filter((row) => Object.entries(kind.dimensions).every(([name, value]) => {
    const wanted = query.getAll(name);
    return wanted.length === 0 || wanted.includes(value(row) ?? "none");
  }));
}

function groupBy(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const name = JSON.stringify(key(row));
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return groups;
}

function metrics(all, kind, query) {
  const step = query.has("step") ? Number(query.get("step")) : null;
  const unit = (step ?? 60) * 1000;
  const since = Math.floor(Number(query.get("since") ?? Date.now() - 3_600_000) / unit) * unit;
  const until = Math.ceil(Number(query.get("until") ?? Date.now()) / unit) * unit;
  const by = query.get("by");
  if (by !== null && kind.dimensions[by] === undefined) throw new Refused(400, 20000, `by cannot be "${by}".`, "/by");
  const rows = filtered(all, kind, query).filter((row) => kind.time(row) >= since && kind.time(row) < until);
  const measure = (some) => ({
    count: some.length, failed: some.filter(kind.failed).length, ...(some.length > 0 ? { last: Math.max(...some.map(kind.time)) } : {}), ...kind.extra(some),
    ...(query.get("quantiles") === "true" ? kind.quantiles(some) : {}),
  });
  const key = by === null ? () => ({}) : (kind.key[by] ?? ((row) => ({ [by]: kind.dimensions[by](row) })));
  const groups = [...groupBy(rows, key)].map(([name, some]) => ({
    key: JSON.parse(name), ...measure(some),
    ...(step === null ? {} : { points: [...groupBy(some, (row) => Math.floor(kind.time(row) / unit) * unit)].map(([at, part]) => ({ at: Number(at), ...measure(part) })).sort((a, b) => a.at - b.at) }),
  }));
  return { since, until, step, groups: groups.sort((a, b) => b.count - a.count).slice(0, Number(query.get("limit") ?? 100)) };
}

function records(all, kind, query, fits) {
  const since = Number(query.get("since") ?? 0);
  const until = Number(query.get("until") ?? Infinity);
  const limit = Number(query.get("limit") ?? 100);
  const start = Number(query.get("cursor") || 0);
  const rows = filtered(all, kind, query)
    .filter((row) => kind.time(row) >= since && kind.time(row) < until && (!query.has("ray_id") || row.rayId === query.get("ray_id")) && fits(row))
    .sort((a, b) => kind.time(b) - kind.time(a));
  const page = rows.slice(start, start + limit);
  return { result: page, info: { count: page.length, per_page: limit, cursor: start + limit < rows.length ? String(start + limit) : "", lost: 0 } };
}

/** Starts the server. `port` 0 takes any. The answer has `url`, `facts`, `close`, and ways to let things happen. */
export async function startMock({ port = 0, empty = false, now = Date.now() } = {}) {
  const next = random(99);
  const facts = makeFacts(now, { empty });
  const sessions = new Map();
  const requests = [];
  /** Calls to refuse or to hold, by `METHOD path`: tests put functions here. */
  const interventions = new Map();

  const tunnelView = (tunnel) => {
    const connections = tunnel.connectors.flatMap((connector) => connector.connections.map((one) => ({ id: one.id, client_id: connector.id, client_version: connector.version, colo_name: "local", origin_ip: one.remote_address.split(":")[0], opened_at: one.since, is_pending_reconnect: false })));
    return {
      id: tunnel.id, name: tunnel.name, created_at: tunnel.created_at, connections, conns_active_at: connections[0]?.opened_at ?? null,
      status: connections.length === 0 ? "inactive" : connections.length < 4 ? "degraded" : "healthy",
    };
  };
  const tokenOf = (tunnel) => Buffer.from(JSON.stringify({ a: "0".repeat(32), t: tunnel.id, s: tunnel.secret })).toString("base64");
  const find = (list, test, code, message) => {
    const found = list.find(test);
    if (found === undefined) throw new Refused(404, code, message);
    return found;
  };
  const tunnelById = (id) => find(facts.tunnels, (tunnel) => tunnel.id === id, 1003, `Tunnel ${id} does not exist.`);
  const serviceById = (id) => find(facts.services, (service) => service.service_id === id, 20001, `VPC Service ${id} does not exist.`);
  const workerByName = (name) => find(facts.workers, (worker) => worker.name === name, 10007, `Worker "${name}" does not exist.`);
  const log = (session, action, type, id, before, after) => facts.audit.unshift({ id: randomUUID(), when: new Date().toISOString(), actor: { name: session.token.name, token_id: session.token.id, address: "127.0.0.1" }, action, resource: { type, id }, before, after });
  const references = (fits) => facts.workers.flatMap((worker) => worker.bindings.filter(fits).map((binding) => ({ worker: worker.name, binding: binding.name, version_id: worker.deployments[0].versions[0].version_id, percentage: worker.deployments[0].versions[0].percentage })));
  const checkService = (body) => {
    if (!body.name) throw new Refused(400, 20000, "name must be a string that is not empty.", "/name");
    const tunnel = body.host?.network?.tunnel_id ?? body.host?.resolver_network?.tunnel_id;
    if (!facts.tunnels.some((each) => each.id === tunnel)) throw new Refused(400, 20000, `The tunnel ${tunnel} does not exist.`, "/host/network/tunnel_id");
    if (body.host.ipv4?.startsWith("224.")) throw new Refused(400, 20000, `"${body.host.ipv4}" is a multicast address and cannot be a service.`, "/host/ipv4");
  };
  const newVersion = (worker, message) => {
    const version = { ...structuredClone(worker.versions.at(-1)), id: randomUUID(), number: worker.versions.length + 1, annotations: { "workers/triggered_by": "upload", "workers/message": message } };
    version.metadata = { created_on: new Date().toISOString(), source: "dash", author_id: "administrator" };
    worker.versions.push(version);
    worker.deployments.unshift({ id: randomUUID(), created_on: new Date().toISOString(), source: "dash", annotations: {}, versions: [{ version_id: version.id, percentage: 100 }] });
  };

  const ACCOUNT = "/accounts/local";
  /** Each: method, pattern, what it does with (parts of the path, body, query, session). */
  const routes = [
    ["GET", "/connection-errors", () => errorRows()],
    ["GET", `${ACCOUNT}/edge`, () => ({ version: "0.1.0", visitors: "http://localhost:8787", api: "http://localhost:8788", tunnel: "edge.example.com:7844", tunnel_ca: "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJ0\n-----END CERTIFICATE-----\n" })],
    ["GET", `${ACCOUNT}/connectivity/directory/services`, () => facts.services],
    ["POST", `${ACCOUNT}/connectivity/directory/services`, (_, body, __, session) => {
      checkService(body);
      const service = { service_id: randomUUID(), ...body, created_at: new Date().toISOString(), updated_at: new Date().toISOString() };
      facts.services.push(service);
      log(session, "create", "service", service.service_id, null, body);
      return service;
    }],
    ["GET", `${ACCOUNT}/connectivity/directory/services/:id`, ({ id }) => serviceById(id)],
    ["PUT", `${ACCOUNT}/connectivity/directory/services/:id`, ({ id }, body, _, session) => {
      const service = serviceById(id);
      checkService(body);
      const after = { service_id: id, ...body, created_at: service.created_at, updated_at: new Date().toISOString() };
      log(session, "update", "service", id, service, after);
      facts.services[facts.services.indexOf(service)] = after;
      return after;
    }],
    ["DELETE", `${ACCOUNT}/connectivity/directory/services/:id`, ({ id }) => {
      const service = serviceById(id);
      const users = references((binding) => binding.service_id === id).map((row) => `"${row.worker}"`);
      if (users.length > 0) throw new Refused(409, 20003, `VPC Service "${service.name}" is used by Worker ${users.join(", ")}.`);
      facts.services.splice(facts.services.indexOf(service), 1);
      return null;
    }],
    ["GET", `${ACCOUNT}/connectivity/directory/services/:id/references`, ({ id }) => references((binding) => binding.service_id === id)],
    ["POST", `${ACCOUNT}/connectivity/directory/services/:id/diagnose`, ({ id }, body) => diagnose(serviceById(id), body)],
    ["GET", `${ACCOUNT}/connectivity/metrics`, (_, __, query) => metrics(facts.connections, CONNECTIONS, query)],
    ["GET", `${ACCOUNT}/workers/metrics`, (_, __, query) => metrics(facts.invocations, INVOCATIONS, query)],
    ["GET", `${ACCOUNT}/connectivity/events`, (_, __, query) => records(facts.connections, CONNECTIONS, query, (row) => (query.get("failed") !== "true" || row.code !== undefined) && (!query.has("detail") || (row.detail ?? "").toLowerCase().includes(query.get("detail").toLowerCase())))],
    ["GET", `${ACCOUNT}/workers/invocations`, (_, __, query) => records(facts.invocations, INVOCATIONS, query, (row) => {
      const status = query.get("status");
      const text = `${row.event.request.url} ${JSON.stringify(row.logs)} ${JSON.stringify(row.exceptions)}`.toLowerCase();
      return (status === null || (status.endsWith("xx") ? String(row.event.response?.status ?? "")[0] === status[0] : String(row.event.response?.status) === status))
        && (!query.has("q") || text.includes(query.get("q").toLowerCase())) && (!query.has("min_cpu") || row.cpuTime >= Number(query.get("min_cpu")));
    })],
    ["GET", `${ACCOUNT}/cfd_tunnel`, () => facts.tunnels.map(tunnelView)],
    ["POST", `${ACCOUNT}/cfd_tunnel`, (_, body, __, session) => {
      if (facts.tunnels.some((tunnel) => tunnel.name === body.name)) throw new Refused(409, 1013, `A tunnel named "${body.name}" exists already.`);
      const tunnel = { id: randomUUID(), name: body.name, created_at: new Date().toISOString(), connectors: [], secret: randomUUID() };
      facts.tunnels.push(tunnel);
      log(session, "create", "tunnel", tunnel.id, null, { name: tunnel.name });
      return { ...tunnelView(tunnel), token: tokenOf(tunnel) };
    }],
    ["GET", `${ACCOUNT}/cfd_tunnel/:id`, ({ id }) => tunnelView(tunnelById(id))],
    ["DELETE", `${ACCOUNT}/cfd_tunnel/:id`, ({ id }) => {
      const tunnel = tunnelById(id);
      const users = facts.services.filter((service) => JSON.stringify(service.host).includes(id)).map((service) => `"${service.name}"`);
      if (users.length > 0) throw new Refused(409, 20003, `Tunnel "${tunnel.name}" is used by VPC Service ${users.join(", ")}.`);
      facts.tunnels.splice(facts.tunnels.indexOf(tunnel), 1);
      return tunnelView(tunnel);
    }],
    ["GET", `${ACCOUNT}/cfd_tunnel/:id/token`, ({ id }) => tokenOf(tunnelById(id))],
    ["GET", `${ACCOUNT}/cfd_tunnel/:id/connectors`, ({ id }) => tunnelById(id).connectors],
    ["GET", `${ACCOUNT}/cfd_tunnel/:id/references`, ({ id }) => references((binding) => binding.tunnel_id === id)],
    ["PATCH", `${ACCOUNT}/cfd_tunnel/:id`, ({ id }, body) => {
      const tunnel = tunnelById(id);
      if (body.tunnel_secret !== undefined) {
        if (Buffer.from(body.tunnel_secret, "base64").length < 32) throw new Refused(400, 20000, "tunnel_secret must be 32 bytes or more in base64.", "/tunnel_secret");
        tunnel.secret = body.tunnel_secret;
        tunnel.connectors = [];
      }
      return tunnelView(tunnel);
    }],
    ["GET", `${ACCOUNT}/workers/scripts`, () => facts.workers.map((worker) => ({ id: worker.name, created_on: worker.created_on, modified_on: worker.modified_on, url: `http://${worker.name}.localhost:8787`, handlers: ["fetch"], last_deployed_from: "wrangler", compatibility_date: "2025-09-01", compatibility_flags: [], tags: [] }))],
    ["DELETE", `${ACCOUNT}/workers/scripts/:name`, ({ name }) => { facts.workers.splice(facts.workers.indexOf(workerByName(name)), 1); return null; }],
    ["GET", `${ACCOUNT}/workers/scripts/:name/settings`, ({ name }) => { const worker = workerByName(name); return { bindings: worker.bindings, limits: worker.limits, observability: worker.observability, compatibility_date: "2025-09-01", compatibility_flags: ["nodejs_compat"], tags: [] }; }],
    ["PATCH", `${ACCOUNT}/workers/scripts/:name/settings`, ({ name }, body) => {
      const worker = workerByName(name);
      if (body.bindings) worker.bindings = body.bindings.map((binding) => binding.type === "inherit" ? find(worker.bindings, (each) => each.name === binding.name, 10057, `There is no binding "${binding.name}" to inherit.`) : binding);
      if (body.limits) worker.limits = body.limits;
      newVersion(worker, "Settings");
      return null;
    }],
    ["PATCH", `${ACCOUNT}/workers/scripts/:name/script-settings`, ({ name }, body) => { workerByName(name).observability = body.observability; return null; }],
    ["PUT", `${ACCOUNT}/workers/scripts/:name/secrets`, ({ name }, body) => {
      const worker = workerByName(name);
      worker.bindings = [...worker.bindings.filter((binding) => binding.name !== body.name), { name: body.name, type: "secret_text" }];
      newVersion(worker, "Secret");
      return { name: body.name, type: "secret_text" };
    }],
    ["DELETE", `${ACCOUNT}/workers/scripts/:name/secrets/:secret`, ({ name, secret }) => { const worker = workerByName(name); worker.bindings = worker.bindings.filter((binding) => binding.name !== secret); return null; }],
    ["GET", `${ACCOUNT}/workers/scripts/:name/versions`, ({ name }) => ({ items: workerByName(name).versions })],
    ["GET", `${ACCOUNT}/workers/scripts/:name/deployments`, ({ name }) => ({ deployments: workerByName(name).deployments })],
    ["POST", `${ACCOUNT}/workers/scripts/:name/deployments`, ({ name }, body) => {
      const deployment = { id: randomUUID(), created_on: new Date().toISOString(), source: "dash", annotations: { ...body.annotations, "workers/triggered_by": "rollback" }, versions: body.versions };
      workerByName(name).deployments.unshift(deployment);
      return deployment;
    }],
    ["GET", `${ACCOUNT}/workers/scripts/:name/routes`, ({ name }) => workerByName(name).routes],
    ["PUT", `${ACCOUNT}/workers/scripts/:name/routes`, ({ name }, body) => {
      body.forEach(({ pattern }, index) => { if (/\s/.test(pattern)) throw new Refused(400, 20000, `"${pattern}" is not a route pattern: it must not contain white space.`, `/${index}/pattern`); });
      return (workerByName(name).routes = body.map(({ pattern }, index) => ({ id: String(index), pattern })));
    }],
    ["GET", `${ACCOUNT}/workers/scripts/:name/schedules`, ({ name }) => ({ schedules: workerByName(name).schedules })],
    ["PUT", `${ACCOUNT}/workers/scripts/:name/schedules`, ({ name }, body) => ({ schedules: (workerByName(name).schedules = body) })],
    ["GET", `${ACCOUNT}/workers/scripts/:name/subdomain`, ({ name }) => ({ enabled: workerByName(name).subdomain, previews_enabled: false })],
    ["POST", `${ACCOUNT}/workers/scripts/:name/subdomain`, ({ name }, body) => ({ enabled: (workerByName(name).subdomain = body.enabled), previews_enabled: false })],
    ["GET", `${ACCOUNT}/workers/domains`, () => facts.workers.flatMap((worker) => worker.domains.map((hostname) => ({ id: hostname, hostname, service: worker.name })))],
    ["PUT", `${ACCOUNT}/workers/scripts/:name/domains/records`, ({ name }, body) => { workerByName(name).domains = body.origins.map((origin) => origin.hostname); return null; }],
    ["GET", `${ACCOUNT}/tokens`, () => facts.tokens.map(({ secret, ...token }) => { void secret; return token; })],
    ["POST", `${ACCOUNT}/tokens`, (_, body, __, session) => {
      const token = { id: randomUUID(), name: body.name, status: "active", permissions: body.permissions, issued_on: new Date().toISOString(), expires_on: body.expires_on ?? null, last_used_on: null, revoked_on: null, secret: `cvt_${randomUUID()}` };
      facts.tokens.push(token);
      log(session, "create", "token", token.id, null, { name: token.name });
      const { secret, ...view } = token;
      return { ...view, value: secret };
    }],
    ["DELETE", `${ACCOUNT}/tokens/:id`, ({ id }) => {
      const token = find(facts.tokens, (each) => each.id === id, 20001, `API token ${id} does not exist.`);
      Object.assign(token, { status: "disabled", revoked_on: new Date().toISOString() });
      for (const [cookie, session] of sessions) if (session.token === token) sessions.delete(cookie);
      return { id };
    }],
    ["GET", `${ACCOUNT}/tokens/permission_groups`, () => PERMISSIONS.map(([id, name]) => ({ id, name }))],
    ["GET", `${ACCOUNT}/audit_logs`, (_, __, query) => {
      const rows = facts.audit.filter((entry) => !query.get("resource") || entry.resource.type === query.get("resource"));
      const start = Number(query.get("cursor") || 0);
      const limit = Number(query.get("limit") ?? 100);
      return { result: rows.slice(start, start + limit), info: { cursor: start + limit < rows.length ? String(start + limit) : "" } };
    }],
  ].map(([method, pattern, handler]) => [method, new RegExp(`^${pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`), handler]);

  function diagnose(service, body) {
    const tunnel = facts.tunnels.find((each) => JSON.stringify(service.host).includes(each.id));
    const bad = facts.connections.find((row) => row.serviceId === service.service_id)?.code !== undefined ? facts.connections.find((row) => row.serviceId === service.service_id) : undefined;
    const failure = service.name === "billing" ? { code: "tls_certificate_error", category: "Bad Upstream", phase: "tls", detail: "The certificate of 10.0.0.7:8443 (CN=billing.internal) expired on 2026-11-01.", retryable: false }
      : bad === undefined || service.name === "inventory" ? undefined : { code: bad.code, category: bad.category, phase: bad.phase, detail: bad.detail, retryable: bad.retryable };
    const https = body.scheme === "https";
    const order = ["route", ...(service.host.hostname ? ["dns"] : []), "connect", ...(https ? ["tls"] : []), "request", "head"];
    const facts_ = { route: { tunnel_id: tunnel.id, protocol: "quic" }, dns: { resolver: "10.0.0.2", addresses: ["10.0.0.5"], ttl: 60 }, connect: { address: "10.0.0.5:8080" }, tls: { version: "TLSv1.3", cipher: "TLS13_AES_256_GCM_SHA384", chain: [{ subject: "CN=billing.internal", issuer: "CN=Finance CA", names: ["billing.internal"], not_before: "2025-11-01T00:00:00Z", not_after: "2026-11-01T00:00:00Z" }] }, request: {}, head: { status: 200, http: "HTTP/1.1" } };
    let over = false;
    const phases = order.map((phase) => {
      if (over) return { phase, state: "skipped" };
      over = failure?.phase === phase;
      return { phase, state: over ? "failed" : "ok", duration: 0.3 + phase.length * 0.4, detail: over ? failure.detail : `The phase ${phase} went well.`, facts: facts_[phase] };
    });
    return {
      service_id: service.service_id, started_at: Date.now(), duration: 9.4, ok: failure === undefined, request: { scheme: body.scheme ?? "http", host: body.host ?? "", path: body.path ?? "/" }, phases,
      ...(failure === undefined ? {} : { error: failure }), connectors: tunnel.connectors.map((connector) => ({ connector: connector.id, version: connector.version, ok: failure === undefined, error: failure ?? null })),
    };
  }

  async function api(request, response, url) {
    const path = url.pathname.slice("/client/v4".length);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body = text === "" ? undefined : JSON.parse(text);
    requests.push({ method: request.method, path: path + url.search, body });
    const cookie = /culvert_session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
    const session = sessions.get(cookie);
    const view = (of) => ({ token_id: of.token.id, name: of.token.name, permissions: of.token.permissions, account: { id: "local", name: "Local" }, expires_at: new Date(of.ends).toISOString(), version: "0.1.0" });
    await interventions.get(`${request.method} ${path}`)?.();
    if (path === "/session" && request.method === "POST") {
      const token = facts.tokens.find((each) => each.secret === body?.token && each.status === "active");
      if (token === undefined) throw new Refused(401, 9109, "The API token is not valid.");
      const made = randomUUID();
      sessions.set(made, { token, ends: Date.now() + 12 * 3_600_000 });
      response.setHeader("set-cookie", `culvert_session=${made}; Path=/client/v4; HttpOnly; SameSite=Strict; Max-Age=43200`);
      return { result: view(sessions.get(made)) };
    }
    if (session === undefined || session.ends < Date.now()) throw new Refused(401, cookie === undefined ? 9106 : 9109, cookie === undefined ? "The request carries no API token." : "The session has ended. Sign in again.");
    if (request.method !== "GET" && request.headers.origin !== `http://${request.headers.host}` && process.env.MOCK_ANY_ORIGIN === undefined) throw new Refused(403, 20007, "A session may change things only from the dashboard's own pages.");
    if (path === "/session" && request.method === "GET") return { result: view(session) };
    if (path === "/session" && request.method === "DELETE") {
      sessions.delete(cookie);
      response.setHeader("set-cookie", "culvert_session=; Path=/client/v4; HttpOnly; SameSite=Strict; Max-Age=0");
      return { result: null };
    }
    for (const [method, pattern, handler] of routes) {
      const match = method === request.method ? pattern.exec(path) : null;
      if (match === null) continue;
      const parts = Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]));
      const answer = handler(parts, body, url.searchParams, session);
      if (answer?.info !== undefined) return answer;
      if (Array.isArray(answer) && url.searchParams.has("page")) {
        const page = Number(url.searchParams.get("page"));
        const size = Number(url.searchParams.get("per_page") ?? 100);
        return { result: answer.slice((page - 1) * size, page * size), info: { page, per_page: size, total_count: answer.length } };
      }
      return { result: answer };
    }
    throw new Refused(404, 7000, `There is nothing at ${url.pathname}.`);
  }

  async function file(response, url) {
    const wanted = normalize(join(DIST, decodeURIComponent(url.pathname)));
    const headers = { "content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin" };
    try {
      if (!wanted.startsWith(DIST) || extname(wanted) === "") throw new Error("not a file");
      const content = await readFile(wanted);
      response.writeHead(200, { ...headers, "content-type": TYPES[extname(wanted)] ?? "application/octet-stream" }).end(content);
    } catch {
      if (url.pathname.startsWith("/assets/")) response.writeHead(404, headers).end();
      else response.writeHead(200, { ...headers, "content-type": TYPES[".html"] }).end(await readFile(join(DIST, "index.html")));
    }
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    if (!url.pathname.startsWith("/client/v4")) {
      void file(response, url);
      return;
    }
    const send = (status, value) => response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify(value));
    api(request, response, url).then(
      ({ result, info }) => send(200, { success: true, errors: [], messages: [], result, ...(info === undefined ? {} : { result_info: info }) }),
      (error) => {
        if (!(error instanceof Refused)) console.error(error);
        const known = error instanceof Refused ? error : new Refused(500, 10013, "Culvert failed. The server's log says why.");
        send(known.status, { success: false, errors: [{ code: known.code, message: known.message, ...(known.pointer === undefined ? {} : { source: { pointer: known.pointer } }) }], messages: [], result: null });
      },
    );
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`, facts, sessions, requests, interventions, Refused,
    /** An attempt now. */
    connect: (service, failure) => {
      const tunnel = facts.tunnels.find((each) => JSON.stringify(service.host).includes(each.id));
      return addConnection(facts, next, { service, worker: facts.workers[0], tunnel, connector: tunnel.connectors[0]?.id, at: Date.now(), failure });
    },
    close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await startMock({ port: Number(process.env.PORT ?? 8788), empty: process.argv.includes("--empty") });
  console.log(`mock API and dashboard at ${url}, token cvt_admin`);
}
