/**
 * Cloudflare's own SDK against the built program, as Terraform's provider calls the same API (both are made from one description): each thing
 * is made, read, changed in place, read again, listed, deleted and missed. What was sent must be read back as it was, since Terraform takes
 * every difference for a change that it has to undo. `CULVERT` names the program; `make test-sdk` sets it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import Cloudflare, { toFile } from "cloudflare";
import { PATIENCE_MS, startEdge } from "../edge.mjs";

const ACCOUNT = { account_id: "local" };
const NOWHERE = "00000000-0000-4000-8000-000000000000";

/** Whether all that was sent is read back as it was; what else is read, the server knows. */
function assertSame(read, sent, at = "") {
  if (sent === null || typeof sent !== "object") return assert.deepEqual(read, sent, at);
  assert(read !== null && typeof read === "object", `${at}: ${JSON.stringify(read)} for ${JSON.stringify(sent)}`);
  if (Array.isArray(sent)) assert.equal(read.length, sent.length, `${at}: ${JSON.stringify(read)} for ${JSON.stringify(sent)}`);
  for (const [member, value] of Object.entries(sent)) assertSame(read[member], value, `${at}/${member}`);
}

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

/** Errs unless the call is refused with this status and, where one is given, these words. */
async function assertRefused(call, status, words = /./) {
  await assert.rejects(call, (error) => {
    assert.equal(error.status, status, error.message);
    assert.match(error.errors?.[0]?.message ?? "", words);
    return true;
  });
}

const code = (text) => `export default { fetch: (request, env) => new Response(${JSON.stringify(text)} + (env.GREETING ?? "")) };\n`;
const module = (text) => toFile(Buffer.from(text), "index.js", { type: "application/javascript+module" });

/** The parts of a Worker's upload as the provider sends them: the metadata as one part of JSON, each module under its own name. */
const upload = async (metadata, text) => ({ ...ACCOUNT, metadata: JSON.stringify({ main_module: "index.js", ...metadata }), "index.js": await module(text) });

/** The SDK (7.3) names a content type for this call that no form can have. */
const AS_FORM = { headers: { "Content-Type": null } };

describe("the SDK of Cloudflare", () => {
  let edge;
  const clientOf = (apiToken) => new Cloudflare({ apiToken, baseURL: edge.api, maxRetries: 0, timeout: PATIENCE_MS });
  /** @type {Cloudflare} */
  let client;
  before(async () => {
    edge = await startEdge();
    client = clientOf(edge.token);
  });
  after(() => edge?.stop());

  const deploy = async (name, metadata = {}, text = code("hello")) => client.workers.scripts.update(name, await upload(metadata, text), AS_FORM);
  const makeTunnel = (name) => client.zeroTrust.tunnels.cloudflared.create({ ...ACCOUNT, name, config_src: "cloudflare" });

  test("the account and its token", async () => {
    assert.equal((await client.user.tokens.verify()).status, "active");
    assert.equal((await client.accounts.tokens.verify(ACCOUNT)).status, "active");
    const [account] = await all(client.accounts.list());
    assertSame(await client.accounts.get(ACCOUNT), account);
  });

  test("workers_script", async () => {
    const { scripts } = client.workers;
    const metadata = {
      compatibility_date: "2025-09-01", compatibility_flags: ["nodejs_compat"], limits: { cpu_ms: 50 }, logpush: false, tail_consumers: [],
      observability: { enabled: true, head_sampling_rate: 0.5, logs: { enabled: true, invocation_logs: false } }, placement: { mode: "smart" },
      bindings: [
        { name: "GREETING", type: "plain_text", text: ", world" }, { name: "CONFIGURATION", type: "json", json: { a: [1, true, null] } },
        { name: "KEY", type: "secret_text", text: "hunter2" }, { name: "VERSION", type: "version_metadata" },
        { name: "SELF", type: "service", service: "script" },
      ],
    };
    const shown = { ...metadata, bindings: metadata.bindings.map((binding) => (binding.type === "secret_text" ? { ...binding, text: undefined } : binding)) };
    const made = await deploy("script", metadata);
    assertSame(made, { id: "script", has_modules: true, handlers: ["fetch"], compatibility_date: "2025-09-01" });
    const service = () => client.get("/accounts/local/workers/services/script");
    assertSame((await service()).result.default_environment.script, { id: "script", etag: made.etag });
    assertSame(await scripts.scriptAndVersionSettings.get("script", ACCOUNT), shown);
    const content = await (await scripts.content.get("script", ACCOUNT)).formData();
    assert.equal(await content.get("index.js").text(), code("hello"));
    assert.equal((await edge.visit("script.localhost")).text(), "hello, world");

    // In place, and the secret with it.
    const changed = { ...metadata, bindings: [metadata.bindings[0], { name: "KEY", type: "secret_text", text: "hunter3" }], compatibility_flags: [], logpush: false };
    await deploy("script", changed, code("good day"));
    assertSame(await scripts.scriptAndVersionSettings.get("script", ACCOUNT), { ...changed, bindings: [metadata.bindings[0], { name: "KEY", type: "secret_text" }] });
    assert.equal((await edge.visit("script.localhost")).text(), "good day, world");
    assertSame(await scripts.settings.edit("script", { ...ACCOUNT, tags: ["a"] }), { tags: ["a"], observability: metadata.observability });
    assertSame(await scripts.settings.get("script", ACCOUNT), { tags: ["a"] });
    assert.deepEqual((await all(scripts.list(ACCOUNT))).map((script) => script.id), ["script"]);

    await scripts.delete("script", ACCOUNT);
    await assertRefused(service(), 404);
    await assertRefused(scripts.scriptAndVersionSettings.get("script", ACCOUNT), 404);
    await assertRefused(scripts.delete("script", ACCOUNT), 404);
  });

  test("secrets", async () => {
    await deploy("secret");
    const { secrets } = client.workers.scripts;
    const shown = { name: "KEY", type: "secret_text" };
    const script = { ...ACCOUNT, script_name: "secret" };
    assertSame(await secrets.update("secret", { ...ACCOUNT, ...shown, text: "hunter2" }), shown);
    assert.deepEqual(await secrets.get("KEY", script), shown);
    await secrets.update("secret", { ...ACCOUNT, ...shown, text: "hunter3" });
    await secrets.bulkUpdate("secret", { ...ACCOUNT, secrets: { OTHER: { name: "OTHER", type: "secret_text", text: "x" } } });
    assert.deepEqual(await all(secrets.list("secret", ACCOUNT)), [shown, { ...shown, name: "OTHER" }]);
    await secrets.delete("KEY", script);
    await assertRefused(secrets.get("KEY", script), 404);
    await client.workers.scripts.delete("secret", ACCOUNT);
  });

  test("versions, and workers_deployment", async () => {
    await deploy("deployed", {}, code("one"));
    const { versions, deployments } = client.workers.scripts;
    const annotations = { "workers/message": "second", "workers/tag": "v2" };
    // The SDK's own way to name modules: parts of one name, told apart by the names of their files.
    const { metadata } = await upload({ annotations }, "");
    const second = await versions.create("deployed", { ...ACCOUNT, metadata, files: [await module(code("two"))] });
    assertSame(await versions.get(second.id, { ...ACCOUNT, script_name: "deployed" }), { id: second.id, number: 2, annotations });
    const [newest, oldest] = await all(versions.list("deployed", ACCOUNT));
    assert.equal(newest.id, second.id);
    assert.equal((await edge.visit("deployed.localhost")).text(), "one");

    const script = { ...ACCOUNT, script_name: "deployed" };
    const split = { strategy: "percentage", versions: [{ percentage: 90, version_id: oldest.id }, { percentage: 10, version_id: newest.id }], annotations: { "workers/message": "a part" } };
    const first = await deployments.create("deployed", { ...ACCOUNT, ...split });
    assertSame(first, split);
    assert.deepEqual(await deployments.get(first.id, script), first);
    const whole = { strategy: "percentage", versions: [{ percentage: 100, version_id: second.id }] };
    const last = await deployments.create("deployed", { ...ACCOUNT, ...whole });
    assertSame(await deployments.get(last.id, script), whole);
    assert.equal((await edge.visit("deployed.localhost")).text(), "two");
    // Cloudflare answers an object with the list in it, which the SDK does not go through page by page.
    const { result } = await deployments.list("deployed", ACCOUNT);
    assert.deepEqual(result.deployments.map((deployment) => deployment.id).slice(0, 2), [last.id, first.id]);
    await assertRefused(deployments.delete(last.id, script), 409, /traffic/);
    await deployments.delete(first.id, script);
    await assertRefused(deployments.get(first.id, script), 404);
    await client.workers.scripts.delete("deployed", ACCOUNT);
  });

  test("worker, worker_version, and their deployment", async () => {
    const { workers } = client.workers.beta;
    await deploy("watcher", {}, "export default { fetch: () => new Response(), tail() {} };\n");
    const observability = {
      enabled: true, head_sampling_rate: 0.5,
      logs: { enabled: true, head_sampling_rate: 1, invocation_logs: true, persist: true, destinations: [] },
      traces: { enabled: false, head_sampling_rate: 1, persist: true, destinations: [] },
    };
    const wanted = { name: "made", logpush: false, tags: ["team=a"], observability, subdomain: { enabled: true, previews_enabled: false }, tail_consumers: [] };
    const made = await workers.create({ ...ACCOUNT, ...wanted });
    assertSame(made, { ...wanted, deployed_on: null });
    assert.match(made.id, /^[0-9a-f]{32}$/);
    assert.deepEqual(await workers.get(made.id, ACCOUNT), made);
    assert.deepEqual(await workers.get("made", ACCOUNT), made);
    await assertRefused(workers.create({ ...ACCOUNT, ...wanted }), 409);
    const changed = { ...wanted, tags: [], tail_consumers: [{ name: "watcher" }], observability: { ...observability, head_sampling_rate: 1 } };
    await workers.update(made.id, { ...ACCOUNT, ...changed });
    assertSame(await workers.get(made.id, ACCOUNT), changed);
    assertSame(await workers.edit(made.id, { ...ACCOUNT, tags: ["x"] }), { ...changed, tags: ["x"] });
    assert.deepEqual((await all(workers.list({ ...ACCOUNT, order_by: "name", order: "asc" }))).map((worker) => worker.name), ["made", "watcher"]);
    await assertRefused(workers.update(made.id, { ...ACCOUNT, ...changed, name: "renamed" }), 400, /keeps its name/);

    const content = (text) => [{ name: "index.js", content_type: "application/javascript+module", content_base64: Buffer.from(code(text)).toString("base64") }];
    const version = {
      main_module: "index.js", compatibility_date: "2025-09-01", compatibility_flags: ["nodejs_compat"], limits: { cpu_ms: 50 }, usage_model: "standard",
      cache_options: { enabled: false, cross_version_cache: false }, annotations: { "workers/message": "first" },
      bindings: [{ name: "GREETING", type: "plain_text", text: "!" }, { name: "KEY", type: "secret_text" }],
    };
    const secret = { ...version.bindings[1], text: "hunter2" };
    const first = await workers.versions.create(made.id, { ...ACCOUNT, ...version, bindings: [version.bindings[0], secret], modules: content("one") });
    assertSame(first, { ...version, number: 1 });
    const here = { ...ACCOUNT, worker_id: made.id };
    assertSame(await workers.versions.get(first.id, { ...here, include: "modules" }), { ...version, modules: content("one") });
    assert.deepEqual(await workers.versions.get(first.id, here), first);
    assert(!JSON.stringify(first).includes("hunter2"));
    // The bindings of a version are those that it names: a secret of the one before is none of its own.
    const next = { ...version, bindings: [version.bindings[0]] };
    const second = await workers.versions.create(made.id, { ...ACCOUNT, ...next, modules: content("two") });
    assertSame(await workers.versions.get(second.id, here), { ...next, number: 2 });
    assert.deepEqual((await all(workers.versions.list(made.id, ACCOUNT))).map((one) => one.id), [second.id, first.id]);

    const { deployments } = client.workers.scripts;
    const deployment = await deployments.create("made", { ...ACCOUNT, strategy: "percentage", versions: [{ percentage: 100, version_id: second.id }] });
    assert.equal((await edge.visit("made.localhost")).text(), "two!");
    assert.equal((await workers.get(made.id, ACCOUNT)).deployed_on, deployment.created_on);
    const third = await workers.versions.create(made.id, { ...ACCOUNT, ...next, deploy: true, modules: content("three") });
    assert.equal((await edge.visit("made.localhost")).text(), "three!");
    await workers.versions.delete(first.id, here);
    await assertRefused(workers.versions.get(first.id, here), 404);
    await assertRefused(workers.versions.delete(third.id, here), 409);

    await workers.delete(made.id, ACCOUNT);
    await assertRefused(workers.get(made.id, ACCOUNT), 404);
    await client.workers.scripts.delete("watcher", ACCOUNT);
  });

  test("workers_cron_trigger and workers_script_subdomain", async () => {
    await deploy("triggered", {}, "export default { fetch: () => new Response(), scheduled() {} };\n");
    const { schedules, subdomain } = client.workers.scripts;
    for (const crons of [["*/5 * * * *", "10 7 * * mon-fri"], ["*/5 * * * *", "0 0 1 * *"]]) {
      await schedules.update("triggered", { ...ACCOUNT, body: crons.map((cron) => ({ cron })) });
      assert.deepEqual((await schedules.get("triggered", ACCOUNT)).schedules.map(({ cron }) => cron).sort(), crons);
    }
    for (const flags of [{ enabled: true, previews_enabled: true }, { enabled: false, previews_enabled: false }]) {
      assert.deepEqual(await subdomain.create("triggered", { ...ACCOUNT, ...flags }), flags);
      assert.deepEqual(await subdomain.get("triggered", ACCOUNT), flags);
    }
    await subdomain.delete("triggered", ACCOUNT);
    await client.workers.scripts.delete("triggered", ACCOUNT);
    await assertRefused(schedules.get("triggered", ACCOUNT), 404);
    await assertRefused(subdomain.get("triggered", ACCOUNT), 404);
  });

  test("zone, workers_route and workers_custom_domain", async () => {
    for (const name of ["shop", "blog"]) await deploy(name, {}, code(name));
    const [zone] = await all(client.zones.list({ name: "example.test" }));
    const in_zone = { zone_id: zone.id };
    assertSame(await client.zones.get(in_zone), { id: zone.id, name: "example.test" });

    const { routes, domains } = client.workers;
    const route = { pattern: "app.example.test/*", script: "shop" };
    const made = await routes.create({ ...in_zone, ...route });
    assertSame(await routes.get(made.id, in_zone), route);
    assert.equal((await edge.visit("app.example.test")).text(), "shop");
    await routes.update(made.id, { ...in_zone, ...route, script: "blog" });
    assertSame(await routes.get(made.id, in_zone), { ...route, script: "blog" });
    assert.equal((await edge.visit("app.example.test")).text(), "blog");
    assert.deepEqual((await all(routes.list(in_zone))).map((one) => one.id), [made.id]);
    await routes.delete(made.id, in_zone);
    await assertRefused(routes.get(made.id, in_zone), 404);

    for (const named of [{ zone_id: zone.id }, { zone_name: "example.test" }, {}]) {
      const domain = { hostname: "www.example.test", service: "shop", environment: "production", ...named };
      const made = await domains.update({ ...ACCOUNT, ...domain });
      assertSame(await domains.get(made.id, ACCOUNT), domain);
      await domains.update({ ...ACCOUNT, ...domain, service: "blog" });
      assertSame(await domains.get(made.id, ACCOUNT), { ...domain, service: "blog" });
      assert.equal((await edge.visit("www.example.test")).text(), "blog");
      assert.deepEqual((await all(domains.list({ ...ACCOUNT, hostname: domain.hostname, service: "blog" }))).map((one) => one.id), [made.id]);
      assert.deepEqual(await all(domains.list({ ...ACCOUNT, service: "shop" })), []);
      await domains.delete(made.id, ACCOUNT);
      await assertRefused(domains.get(made.id, ACCOUNT), 404);
    }
    for (const name of ["shop", "blog"]) await client.workers.scripts.delete(name, ACCOUNT);
  });

  test("zero_trust_tunnel_cloudflared with its configuration and token", async () => {
    const { cloudflared } = client.zeroTrust.tunnels;
    const secret = Buffer.alloc(32, 7).toString("base64");
    const made = await cloudflared.create({ ...ACCOUNT, name: "warehouse", config_src: "cloudflare", tunnel_secret: secret });
    assertSame(await cloudflared.get(made.id, ACCOUNT), { id: made.id, name: "warehouse", config_src: "cloudflare", status: "inactive", deleted_at: null, tun_type: "cfd_tunnel" });
    assertSame(await cloudflared.edit(made.id, { ...ACCOUNT, name: "depot" }), { name: "depot" });
    assertSame(await cloudflared.get(made.id, ACCOUNT), { name: "depot" });
    assertSame(JSON.parse(Buffer.from(await cloudflared.token.get(made.id, ACCOUNT), "base64").toString()), { t: made.id, s: secret });
    for (const query of [{ name: "depot" }, { uuid: made.id }, { include_prefix: "dep", is_deleted: false }]) {
      assert.deepEqual((await all(cloudflared.list({ ...ACCOUNT, ...query }))).map((tunnel) => tunnel.id), [made.id]);
    }
    assert.deepEqual(await all(cloudflared.list({ ...ACCOUNT, exclude_prefix: "dep" })), []);
    assert.deepEqual((await all(client.zeroTrust.tunnels.list(ACCOUNT))).map((tunnel) => tunnel.id), [made.id]);
    assert.deepEqual(await all(cloudflared.connections.get(made.id, ACCOUNT)), []);

    const config = {
      originRequest: { connectTimeout: 60, noTLSVerify: false, http2Origin: true, proxyType: "socks", caPool: "/etc/ca.pem" },
      ingress: [
        { hostname: "app.example.test", path: "/api", service: "http://10.0.0.2:8080", originRequest: { connectTimeout: 15, access: { required: true, teamName: "t", audTag: ["a"] } } },
        { hostname: "*.example.test", service: "https://10.0.0.3" }, { service: "http_status:404" },
      ],
    };
    const { configurations } = cloudflared;
    assertSame(await configurations.update(made.id, { ...ACCOUNT, config }), { config, source: "cloudflare", version: 1, tunnel_id: made.id });
    assert.deepEqual((await configurations.get(made.id, ACCOUNT)).config, config);
    const shorter = { ingress: config.ingress.slice(1) };
    await configurations.update(made.id, { ...ACCOUNT, config: shorter });
    assert.deepEqual((await configurations.get(made.id, ACCOUNT)).config, shorter);

    // What was deleted is still read, and says when.
    await cloudflared.delete(made.id, ACCOUNT);
    assert.notEqual((await cloudflared.get(made.id, ACCOUNT)).deleted_at, null);
    assert.deepEqual(await all(cloudflared.list({ ...ACCOUNT, is_deleted: false })), []);
    await assertRefused(cloudflared.get(NOWHERE, ACCOUNT), 404);
  });

  test("zero_trust_tunnel_cloudflared_route, _virtual_network and zero_trust_network_hostname_route", async () => {
    const { routes, hostnameRoutes, virtualNetworks } = client.zeroTrust.networks;
    const [tunnel, other] = [await makeTunnel("a"), await makeTunnel("b")];
    const [network] = await all(virtualNetworks.list({ ...ACCOUNT, is_default: true }));
    assert.deepEqual(await virtualNetworks.get(network.id, ACCOUNT), network);
    await assertRefused(virtualNetworks.create({ ...ACCOUNT, name: "staging" }), 400, /not available/);
    await assertRefused(virtualNetworks.get(NOWHERE, ACCOUNT), 404);

    for (const [place, path, sent, change, listing] of [
      [routes, "network", { network: "10.1.0.0/16", tunnel_id: tunnel.id, comment: "", virtual_network_id: network.id }, { network: "10.2.0.0/16", tunnel_id: other.id, comment: "x" }, { network_subset: "10.0.0.0/8" }],
      [hostnameRoutes, "hostname", { hostname: "db.internal", tunnel_id: tunnel.id, comment: "database" }, { hostname: "*.internal", tunnel_id: other.id }, { hostname: "*.internal" }],
    ]) {
      const made = await place.create({ ...ACCOUNT, ...sent });
      assertSame(made, sent, path);
      assertSame(await place.get(made.id, ACCOUNT), sent, path);
      await place.edit(made.id, { ...ACCOUNT, ...change });
      assertSame(await place.get(made.id, ACCOUNT), { ...sent, ...change }, path);
      assert.deepEqual((await all(place.list({ ...ACCOUNT, ...listing }))).map((route) => route.id), [made.id], path);
      assert.deepEqual(await all(place.list({ ...ACCOUNT, tunnel_id: tunnel.id })), [], path);
      await place.delete(made.id, ACCOUNT);
      await assertRefused(place.get(made.id, ACCOUNT), 404);
    }
    // A comment that was not given does not come back as an empty one.
    const bare = await hostnameRoutes.create({ ...ACCOUNT, hostname: "db.internal", tunnel_id: tunnel.id });
    assert.equal((await hostnameRoutes.get(bare.id, ACCOUNT)).comment ?? null, null);
    await hostnameRoutes.delete(bare.id, ACCOUNT);
    for (const { id } of [tunnel, other]) await client.zeroTrust.tunnels.cloudflared.delete(id, ACCOUNT);
  });

  test("connectivity_directory_service", async () => {
    const tunnel = await makeTunnel("private");
    const { services } = client.connectivity.directory;
    const network = { tunnel_id: tunnel.id };
    const resolved = { hostname: "web.internal", resolver_network: { ...network, resolver_ips: ["10.0.0.2", "10.0.0.3"] } };
    const both = { name: "web", type: "http", host: resolved, http_port: 8080, https_port: 8443, tls_settings: { cert_verification_mode: "verify_ca" } };
    const optional = ["http_port", "https_port", "tcp_port", "app_protocol", "tls_settings"];
    for (const [sent, changed] of [
      [both, { ...both, name: "renamed", https_port: 9443, tls_settings: { cert_verification_mode: "disabled" } }],
      // What is not given does not come back, be it a default port.
      [{ name: "web", type: "http", host: { ipv4: "10.0.0.5", network } }, { name: "web", type: "http", host: { ipv6: "fd00::5", network }, http_port: 80 }],
      [{ name: "pg", type: "tcp", tcp_port: 5432, app_protocol: "postgresql", host: resolved }, { name: "pg", type: "tcp", tcp_port: 5433, host: { ipv4: "10.0.0.6", network } }],
    ]) {
      const made = await services.create({ ...ACCOUNT, ...sent });
      assertSame(made, sent);
      const check = async (sent) => {
        const read = await services.get(made.service_id, ACCOUNT);
        assertSame(read, sent);
        assert.deepEqual(optional.filter((member) => (read[member] ?? null) !== null), optional.filter((member) => member in sent));
        assert.deepEqual(read.host, sent.host);
      };
      await check(sent);
      await services.update(made.service_id, { ...ACCOUNT, ...changed });
      await check(changed);
      assert.deepEqual((await all(services.list({ ...ACCOUNT, type: sent.type }))).map((service) => service.service_id), [made.service_id]);
      // A Worker that binds it has to go first.
      await deploy("binds", { bindings: [{ name: "SERVICE", type: "vpc_service", service_id: made.service_id }, { name: "NETWORK", type: "vpc_network", ...network }] });
      await assertRefused(services.delete(made.service_id, ACCOUNT), 409, /Worker "binds"/);
      await client.workers.scripts.delete("binds", ACCOUNT);
      await services.delete(made.service_id, ACCOUNT);
      await assertRefused(services.get(made.service_id, ACCOUNT), 404);
    }
    await client.zeroTrust.tunnels.cloudflared.delete(tunnel.id, ACCOUNT);
  });

  test("mtls_certificate", async () => {
    const { mtlsCertificates } = client;
    const make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test", "-keyout", "/dev/null"];
    const certificates = execFileSync("openssl", make, { stdio: ["ignore", "pipe", "ignore"] }).toString();
    for (const named of [{ name: "root" }, {}]) {
      const sent = { ca: true, certificates, ...named };
      const made = await mtlsCertificates.create({ ...ACCOUNT, ...sent });
      const read = await mtlsCertificates.get(made.id, ACCOUNT);
      assertSame(read, sent);
      assert.equal(read.name ?? undefined, named.name);
      assert.deepEqual((await all(mtlsCertificates.list({ ...ACCOUNT, ca: true }))).map((one) => one.id), [made.id]);
      await mtlsCertificates.delete(made.id, ACCOUNT);
      await assertRefused(mtlsCertificates.get(made.id, ACCOUNT), 404);
    }
  });

  test("account_token", async () => {
    const { tokens } = client.accounts;
    const group = async (name) => (await all(tokens.permissionGroups.list({ ...ACCOUNT, name, scope: "com.cloudflare.api.account" })))[0].id;
    const policy = async (...names) => [{ effect: "allow", permission_groups: await Promise.all(names.map(async (name) => ({ id: await group(name) }))), resources: { "com.cloudflare.api.account.local": "*" } }];
    const sent = { name: "ci", policies: await policy("Workers Scripts Write"), expires_on: "2099-01-01T00:00:00Z" };
    const check = (read, { expires_on, ...sent }) => {
      assertSame(read, sent);
      assert.equal(read.expires_on && Date.parse(read.expires_on), expires_on ? Date.parse(expires_on) : null);
    };
    const made = await tokens.create({ ...ACCOUNT, ...sent });
    check(await tokens.get(made.id, ACCOUNT), sent);
    assert.equal((await clientOf(made.value).accounts.tokens.verify(ACCOUNT)).status, "active");
    await assertRefused(clientOf(made.value).zeroTrust.tunnels.cloudflared.create({ ...ACCOUNT, name: "t" }), 403);

    const changed = { name: "cd", policies: await policy("Cloudflare Tunnel Write", "Workers Scripts Read") };
    await tokens.update(made.id, { ...ACCOUNT, ...changed });
    check(await tokens.get(made.id, ACCOUNT), changed);
    const value = await tokens.value.update(made.id, { ...ACCOUNT, body: {} });
    await assertRefused(clientOf(made.value).accounts.tokens.verify(ACCOUNT), 401);
    assert.deepEqual(await all(clientOf(value).zeroTrust.tunnels.cloudflared.list(ACCOUNT)), []);
    assert((await all(tokens.list(ACCOUNT))).some((token) => token.id === made.id));

    await tokens.delete(made.id, ACCOUNT);
    await assertRefused(tokens.get(made.id, ACCOUNT), 404);
    await assertRefused(clientOf(value).accounts.tokens.verify(ACCOUNT), 401);
  });

  test("the telemetry of Workers: what they logged, by event and by invocation", async () => {
    const text = `export default { fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/broken") { console.error("no stock", 5); throw new TypeError("shelf is null"); }
      console.log({ message: "sold", user: { id: 7 } });
      return new Response("ok");
    } };\n`;
    const from = Date.now() - 60_000;
    await deploy("telling", {}, text);
    await deploy("terse", { observability: { enabled: true, head_sampling_rate: 1, logs: { enabled: true, invocation_logs: false } } }, text);
    for (const name of ["telling", "terse"]) {
      assert.equal((await edge.visit(`${name}.localhost`, "/item?size=9", { headers: { cookie: "a=b" } })).status, 200);
      assert.equal((await edge.visit(`${name}.localhost`, "/broken")).status, 500);
    }

    const { telemetry } = client.workers.observability;
    const service = (value) => ({ key: "$metadata.service", operation: "eq", type: "string", value });
    const timeframe = () => ({ from, to: Date.now() + 60_000 });
    const ask = (filters, more = {}) => telemetry.query({ ...ACCOUNT, queryId: "sdk", timeframe: timeframe(), parameters: { filters }, ...more });
    const events = async (...filters) => (await ask(filters, { view: "events" })).events.events;
    // Records are written a moment after the answer.
    const eventually = async (filters, count) => {
      const deadline = Date.now() + PATIENCE_MS;
      for (;;) {
        const found = await events(...filters);
        if (found.length >= count || Date.now() > deadline) return found;
        await wait(50);
      }
    };
    const found = await eventually([service("telling")], 5);
    const said = found.map(({ $metadata: { type, level, message, error, trigger } }) => [type, level, message.replace(/:\d+/, ""), error, trigger]);
    const url = (path) => `GET http://telling.localhost${path}`;
    assert.deepEqual(said, [
      ["cf-worker", "error", "shelf is null", "shelf is null", "GET /broken"],
      ["cf-worker", "error", "no stock 5", "no stock 5", "GET /broken"],
      ["cf-worker-event", "error", url("/broken"), "shelf is null", "GET /broken"],
      ["cf-worker", "log", "sold", undefined, "GET /item"],
      ["cf-worker-event", "info", url("/item?size=9"), undefined, "GET /item"],
    ]);
    const invocation = found[4];
    assertSame(invocation.$workers, { scriptName: "telling", eventType: "fetch", executionModel: "stateless", outcome: "ok", truncated: false });
    const { request, response } = invocation.$workers.event;
    assertSame({ request, response }, { request: { method: "GET", path: "/item", search: { size: "9" }, headers: { cookie: "REDACTED" } }, response: { status: 200 } });
    assert(invocation.$workers.wallTimeMs >= 0 && invocation.$workers.cpuTimeMs >= 0);
    assertSame(found[3].source, { level: "log", message: "sold", user: { id: 7 } });
    assertSame(found[0].source.exception, { name: "TypeError", message: "shelf is null" });

    // A Worker without invocation logs says only what it said.
    assert.deepEqual((await eventually([service("terse")], 3)).map((event) => event.$metadata.type), ["cf-worker", "cf-worker", "cf-worker"]);

    const messages = async (...filters) => (await events(...filters)).map((event) => event.$metadata.message.replace(/:\d+/, ""));
    const where = (key, operation, type, value) => ({ key, operation, type, ...(value === undefined ? {} : { value }) });
    assert.deepEqual(await messages(service("telling"), where("$metadata.error", "exists", "string"), where("$metadata.type", "eq", "string", "cf-worker")), ["shelf is null", "no stock 5"]);
    assert.deepEqual(await messages(where("$workers.outcome", "eq", "string", "exception"), where("$workers.wallTimeMs", "gte", "number", 0)), [url("/broken")]);
    assert.deepEqual(await messages(service("telling"), where("user.id", "=", "number", 7)), ["sold"]);
    assert.deepEqual(await messages(service("telling"), where("$workers.event.response.status", "lt", "number", 300)), [url("/item?size=9")]);
    const needle = await ask([], { parameters: { filters: [service("telling")], needle: { value: "SHELF" } } });
    assert.deepEqual([needle.events.count, needle.events.events[0].$metadata.message], [1, "shelf is null"]);

    // Page by page, as Cloudflare's: the last event's id is the offset of the next page.
    const paged = [];
    for (let offset = ""; offset !== undefined; ) {
      const page = (await ask([service("telling")], { limit: 2, offset })).events.events;
      paged.push(...page);
      offset = page.at(-1)?.$metadata.id;
    }
    assert.deepEqual(paged, found);

    const { invocations, run } = await ask([service("telling"), where("$metadata.error", "exists", "string")], { view: "invocations" });
    assert.deepEqual(Object.keys(invocations), [found[0].$metadata.requestId]);
    assert.deepEqual(Object.values(invocations)[0], found.slice(0, 3));
    assertSame(run, { accountId: "local", status: "COMPLETED", query: { id: "sdk", adhoc: true } });

    const keys = await all(telemetry.keys({ ...ACCOUNT, filters: [service("telling")], keyNeedle: { value: "USER" } }));
    assert.deepEqual(keys.map(({ key, type }) => [key, type]), [["user.id", "number"]]);
    const values = await all(telemetry.values({ ...ACCOUNT, datasets: [], filters: [where("user.id", "=", "number", 7)], key: "$metadata.service", type: "string", timeframe: timeframe() }));
    assert.deepEqual(values.map(({ value }) => value).sort(), ["telling", "terse"]);

    await assertRefused(ask([], { view: "calculations" }), 400, /workers\/metrics/);
    await assertRefused(ask([where("$metadata.region", "eq", "string", "x")]), 400, /there is no such key; there are \$metadata\.id/);
    for (const name of ["telling", "terse"]) await client.workers.scripts.delete(name, ACCOUNT);
  });

  test("what Culvert does not have is refused by its name", async () => {
    await assertRefused(client.kv.namespaces.create({ ...ACCOUNT, title: "cache" }), 400, /KV/);
    await assertRefused(client.d1.database.create({ ...ACCOUNT, name: "orders" }), 403, /D1/);
    await assertRefused(client.queues.create({ ...ACCOUNT, queue_name: "jobs" }), 403, /Queues/);
    await assertRefused(client.r2.buckets.create({ ...ACCOUNT, name: "files" }), 403, /R2/);
    await assertRefused(client.hyperdrive.configs.create({ ...ACCOUNT, name: "db", origin: {} }), 403, /Hyperdrive/);
    await assertRefused(deploy("refused", { bindings: [{ name: "ROOM", type: "durable_object_namespace", class_name: "Room" }] }), 400, /Durable Object/);
  });
});
