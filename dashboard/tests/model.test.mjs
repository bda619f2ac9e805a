// The decisions that need no browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runnerImport } from "vite";

const load = async (name) => (await runnerImport(new URL(`../src/model/${name}.ts`, import.meta.url).pathname, { configFile: false, logLevel: "error" })).module;
const service = await load("service");
const time = await load("time");
const format = await load("format");
const series = await load("series");
const counts = await load("counts");
const columns = await load("columns");
const waterfall = await load("waterfall");
const health = await load("health");
const worker = await load("worker");
const sentence = await load("sentence");
const pages = await load("pages");

const TUNNEL = "33333333-3333-4333-8333-333333333333";
const draft = (changes) => ({ ...service.EMPTY_DRAFT, name: "api", tunnel: TUNNEL, ipv4: "10.0.0.5", ...changes });

test("a draft becomes the API's object and comes back as it was", () => {
  for (const spec of [
    { name: "a", type: "http", host: { ipv4: "10.0.0.5", network: { tunnel_id: TUNNEL } } },
    { name: "b", type: "http", host: { ipv4: "10.0.0.5", ipv6: "fd00::1", network: { tunnel_id: TUNNEL } }, http_port: 8080 },
    { name: "c", type: "http", host: { hostname: "web.internal", resolver_network: { tunnel_id: TUNNEL, resolver_ips: ["10.0.0.2", "fd00::53"] } }, https_port: 8443, tls_settings: { cert_verification_mode: "disabled" } },
    { name: "d", type: "tcp", host: { hostname: "db", resolver_network: { tunnel_id: TUNNEL } }, tcp_port: 5432, app_protocol: "postgresql" },
    { name: "e", type: "http", host: { ipv6: "::1", network: { tunnel_id: TUNNEL } }, policy: { read_timeout_ms: 5, max_connections: 3, breaker: { failures: 2 }, allowed_methods: ["GET"], allowed_path_prefixes: ["/a"], trusted_roots: [TUNNEL] } },
    { name: "f", type: "http", host: { ipv6: "::1", network: { tunnel_id: TUNNEL } }, policy: { breaker: { enabled: false } } },
  ]) {
    const read = service.readDraft(service.draftOf({ ...spec, service_id: TUNNEL, created_at: "", updated_at: "" }));
    assert.deepEqual(read, { spec, errors: {} });
  }
});

test("each fault of a draft is named at its field", () => {
  for (const [changes, field] of [
    [{ name: " " }, "name"], [{ tunnel: "" }, "tunnel"], [{ ipv4: "" }, "ipv4"], [{ ipv4: "10.0.0.256" }, "ipv4"], [{ ipv4: "fd00::1" }, "ipv4"], [{ ipv6: "10.0.0.1" }, "ipv6"], [{ ipv6: "g::1" }, "ipv6"],
    [{ hostKind: "hostname" }, "hostname"], [{ hostKind: "hostname", hostname: "http://a" }, "hostname"], [{ hostKind: "hostname", hostname: "10.0.0.1" }, "hostname"], [{ hostKind: "hostname", hostname: "a:80" }, "hostname"],
    [{ hostKind: "hostname", hostname: "a", resolver: "custom" }, "resolverIps"], [{ hostKind: "hostname", hostname: "a", resolver: "custom", resolverIps: "x" }, "resolverIps"],
    [{ ports: "custom" }, "httpPort"], [{ ports: "custom", httpPort: "0" }, "httpPort"], [{ ports: "custom", httpsPort: "65536" }, "httpsPort"], [{ type: "tcp" }, "tcpPort"], [{ type: "tcp", tcpPort: "x" }, "tcpPort"],
    [{ certificateAuthority: "x" }, "certificateAuthority"], [{ verification: "disabled", certificateAuthority: TUNNEL }, "certificateAuthority"], [{ readMs: "1.5" }, "readMs"], [{ pathPrefixes: "a" }, "pathPrefixes"], [{ methods: "GE T, (" }, "methods"],
  ]) {
    assert.deepEqual(Object.keys(service.readDraft(draft(changes)).errors), [field], JSON.stringify(changes));
  }
});

test("the server's errors find their fields, and those without one the form", () => {
  const placed = service.placeErrors([
    { code: 20000, message: "A.", source: { pointer: "/host/resolver_network/resolver_ips/1" } }, { code: 20000, message: "B.", source: { pointer: "/host/network/tunnel_id" } },
    { code: 20000, message: "C.", source: { pointer: "/https_port" } }, { code: 20004, message: "Quota." }, { code: 20000, message: "D.", source: { pointer: "/new_thing" } },
  ]);
  assert.deepEqual(placed, { fields: { resolverIps: "A.", tunnel: "B.", httpsPort: "C." }, rest: ["Quota.", "D."] });
});

test("a range is read from an address, and nonsense is the default", () => {
  const read = (text) => time.readRange(new URLSearchParams(text), 10_000_000_000);
  assert.equal(read("").preset.id, "1h");
  assert.equal(read("range=6h").since, 10_000_000_000 - 6 * 3_600_000);
  assert.deepEqual(read("since=1000&until=3601000"), { preset: null, since: 1000, until: 3_601_000, step: 60 });
  for (const bad of ["range=99y", "since=5&until=5", "since=a&until=9", "since=9", "since=0&until=8640000000000000", "since=8640000000000000&until=8640000000000001"]) assert.equal(read(bad).preset.id, "1h", bad);
});

test("points fall into their steps, and steps without one are empty", () => {
  const metrics = { since: 60_000, until: 300_000, step: 60 };
  const times = series.steps(metrics);
  assert.deepEqual(times, [60, 120, 180, 240]);
  assert.deepEqual(series.column(times, [{ at: 120_000, count: 3 }], (point) => point.count, 0), [0, 3, 0, 0]);
  assert.deepEqual(series.column(times, [{ at: 240_000 }], (point) => point.dns?.p50 ?? null, null), [null, null, null, null]);
  assert.deepEqual(series.stack([[1, null], [2, 5]]).map((sums) => [...sums]), [[1, 0], [3, 5]]);
});

test("a column of pixels has what a line or a bar covers in it, however many values there are", () => {
  const extents = (times, values, to, width, stay = false) => {
    const { lowest, highest } = columns.extents(times, values, 0, to, width, stay);
    return [...highest].map((high, index) => (Number.isNaN(high) ? null : [lowest[index], high]));
  };
  // Many values in a column, and the line from the last of one column to the first of the next.
  assert.deepEqual(extents([0, 1, 2, 3, 4, 5, 6, 7], [1, 9, 2, 4, 8, 6, 6, 6], 8, 2), [[1, 9], [6, 8]]);
  assert.deepEqual(extents([0, 3, 5, 8], [0, 0, 10, 10], 8, 2), [[0, 5], [5, 10]]);
  // Columns without a value of their own are crossed by the line, or belong to the bar left of them.
  assert.deepEqual(extents([0, 4], [0, 8], 4, 4), [[0, 2], [2, 4], [4, 6], [6, 8]]);
  assert.deepEqual(extents([0, 2, 4], [3, 5, 1], 6, 6, true), [[3, 3], [3, 3], [5, 5], [5, 5], [1, 1], null]);
  // What is missing breaks a line, and a value alone is a point.
  assert.deepEqual(extents([0, 1, 2, 3, 4, 5], [2, null, 4, null, null, 6], 6, 6), [[2, 2], null, [4, 4], null, null, [6, 6]]);
  // What is outside is not there.
  assert.deepEqual(extents([-2, 2, 6], [0, 4, 8], 4, 2), [[2, 4], [4, 6]]);
});

test("a waterfall has the phases that were reached, and the one that failed", () => {
  const drawn = waterfall.waterfall({ timings: { connect: 2, tls: 3 }, phase: "tls", code: "tls_certificate_error", reused: false });
  assert.deepEqual(drawn.bars.map(({ phase, start, duration, state }) => [phase, start, duration, state]), [["dns", 0, 0, "skipped"], ["connect", 0, 2, "ok"], ["tls", 2, 3, "failed"], ["request", 5, 0, "skipped"], ["head", 5, 0, "skipped"]]);
  assert.equal(waterfall.skippedWords(drawn.bars[0], { reused: false, phase: "tls", code: "x" }), "not needed");
  assert.equal(waterfall.skippedWords(drawn.bars[3], { reused: false, phase: "tls", code: "x" }), "not reached");
  assert.equal(waterfall.waterfall({ timings: {}, phase: "route", code: "rate_limited", reused: false }).bars[0].state, "failed");
  assert.equal(waterfall.waterfall({ timings: { head: 5 }, phase: "body", code: "http_response_incomplete", reused: true }).bars.at(-1).state, "failed");
  // A diagnosis names the phases that a connection has, with the way before and the body after those that are kept of every attempt.
  const phases = ["route", "connect", "request", "head", "body"];
  const diagnosed = waterfall.waterfall({ timings: { route: 1, connect: 2, request: 3, head: 4, body: 5 }, phases, reused: false });
  assert.deepEqual([diagnosed.bars.map(({ phase }) => phase), diagnosed.bars.at(-1).start, diagnosed.total], [phases, 10, 15]);
});

test("a state is the tunnel's first, then that of the latest attempts", () => {
  const of = (...given) => health.serviceHealth(...given).health;
  assert.equal(of({ status: "inactive" }, { count: 9, failed: 0 }), "down");
  assert.equal(of(null, undefined), "down");
  assert.equal(of({ status: "healthy" }, undefined), "unknown");
  assert.equal(of({ status: "healthy" }, { count: 0, failed: 0 }), "idle");
  assert.equal(of({ status: "healthy" }, { count: 1000, failed: 9 }), "healthy");
  assert.equal(of({ status: "degraded" }, { count: 1000, failed: 10 }), "degraded");
  assert.equal(of({ status: "healthy" }, { count: 2, failed: 1 }), "failing");
});

test("what was given up neither succeeded nor failed", () => {
  const sums = counts.total([{ count: 10, failed: 2, canceled: 3 }, { count: 5, failed: 0 }]);
  assert.deepEqual(sums, { count: 15, failed: 2, canceled: 3 });
  assert.deepEqual([counts.decided(sums), counts.succeeded(sums)], [12, 10]);
  const of = (recent) => health.serviceHealth({ status: "healthy" }, recent);
  assert.equal(of({ count: 100, failed: 1, canceled: 99 }).health, "failing");
  assert.deepEqual(of({ count: 4, failed: 0, canceled: 4 }), { health: "idle", words: "Only canceled" });
  assert.equal(of({ count: 4, failed: 0, canceled: 3 }).health, "healthy");
});

test("numbers are never rounded into a lie", () => {
  assert.equal(format.formatShare(999_999, 1_000_000), "> 99.99 %");
  assert.equal(format.formatShare(1, 1_000_000), "< 0.01 %");
  assert.equal(format.formatShare(9991, 10_000), "99.91 %");
  assert.equal(format.formatShare(0, 0), "–");
  assert.equal(format.formatDuration(0.0042), "4.2 µs");
  assert.equal(format.formatDuration(60_000), "60.0 s");
  assert.equal(format.formatBytes(3 * 1024 * 1024), "3 MiB");
});

test("a variable is changed among bindings that are inherited; a split adds up to 100", () => {
  const before = [{ name: "A", type: "plain_text", text: "1" }, { name: "S", type: "secret_text" }];
  assert.deepEqual(worker.changedBindings(before, "A", { name: "B", kind: "json", text: "[1]" }), [{ name: "S", type: "inherit" }, { name: "B", type: "json", json: [1] }]);
  assert.deepEqual(worker.changedBindings(before, "A", null), [{ name: "S", type: "inherit" }]);
  const deployments = [{ versions: [{ version_id: "x", percentage: 80 }, { version_id: "y", percentage: 20 }] }];
  assert.deepEqual(worker.split("z", 30, deployments), [{ version_id: "z", percentage: 30 }, { version_id: "x", percentage: 70 }]);
  assert.deepEqual(worker.split("x", 50, deployments), [{ version_id: "x", percentage: 50 }, { version_id: "y", percentage: 50 }]);
  assert.deepEqual(worker.split("y", 100, deployments), [{ version_id: "y", percentage: 100 }]);
});

test("times, days and known names are found in a sentence, and nothing else is", () => {
  const parts = (text, names) => sentence.partsOf(text, names).map(({ kind, text: words, at }) => (at === undefined ? [kind, words] : [kind, words, at]));
  const noon = Date.UTC(2026, 10, 29, 12);
  assert.deepEqual(parts("The API token expired at 2026-11-29T12:00:00.000000Z. Make a new one."), [["text", "The API token expired at "], ["time", "2026-11-29T12:00:00.000000Z", noon], ["text", ". Make a new one."]]);
  assert.deepEqual(parts("2026-11-29T13:00:00+01:00"), [["time", "2026-11-29T13:00:00+01:00", noon]]);
  assert.deepEqual(parts("at 2026-11-29 12:00 UTC"), [["text", "at "], ["time", "2026-11-29 12:00 UTC", noon]]);
  assert.deepEqual(parts("valid from 2026-09-01 to 2026-10-01, names a"), [["text", "valid from "], ["day", "2026-09-01"], ["text", " to "], ["day", "2026-10-01"], ["text", ", names a"]]);
  assert.deepEqual(parts("Start `culvert connect` by 2026-11-29, not `cloudflared"), [["text", "Start "], ["code", "culvert connect"], ["text", " by "], ["day", "2026-11-29"], ["text", ", not `cloudflared"]]);
  // A time without a zone is nobody's; names, paths and impossible dates are what they are.
  for (const text of ["2026-11-29T12:00:00", "report-2026-11-29", "/backup/2026-11-29/a", "2026-11-29.log", "on 2026-13-41.", "10.0.0.5:2026-11", ""]) {
    assert.equal(parts(text).map(([, words]) => words).join(""), text);
    assert.ok(parts(text).every(([kind]) => kind === "text"), text);
  }
  assert.deepEqual(
    parts('VPC Service "a" is still used by Worker "shop", Worker "2026-01-01"; change those first', ['Worker "shop"', 'Worker "2026-01-01"', 'Worker "other"']),
    [["text", 'VPC Service "a" is still used by '], ["name", 'Worker "shop"'], ["text", ", "], ["name", 'Worker "2026-01-01"'], ["text", "; change those first"]],
  );
});

test("the pages of a list are read from an address, within reason", () => {
  const read = (text) => pages.readPages(new URLSearchParams(text));
  for (const [text, wanted] of [["", 1], ["pages=3", 3], ["pages=0", 1], ["pages=-2", 1], ["pages=2.5", 1], ["pages=x", 1], ["pages=1000000", pages.MOST_PAGES]]) assert.equal(read(text), wanted, text);
});

test("times in what somebody else wrote are found, and the text stays", () => {
  const written = JSON.stringify({ when: "2026-11-29T06:13:00.000Z", eventTimestamp: 1795932803475, expires_on: 1803766694, id: 1795932803, port: 8080, day: "2026-11-29" }, null, 2);
  const parts = sentence.timesIn(written);
  assert.equal(parts.map(({ text }) => text).join(""), written);
  assert.deepEqual(parts.filter(({ kind }) => kind === "time").map(({ at }) => at), [Date.UTC(2026, 10, 29, 6, 13), 1795932803475, 1803766694000]);
  assert.deepEqual(sentence.timesIn("ran 2026-11-29T06:13:00Z, build/2026-11-29T06:13:00Z/a").map(({ kind }) => kind), ["text", "time", "text"]);
  assert.deepEqual(sentence.timesIn(""), []);
});
