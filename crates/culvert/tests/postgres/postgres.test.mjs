/**
 * The PostgreSQL clients of npm in a Worker, through a tunnel, to a real PostgreSQL: over a tcp service and over a VPC Network, without
 * TLS and with it. `CULVERT` names the program; `make test-postgres` sets it.
 *
 * It runs in a network namespace, because a VPC Network does not lead to loopback addresses.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const PATIENCE_MS = 60_000;
const INSIDE = "CULVERT_TEST_IN_NAMESPACE";
/** Where PostgreSQL listens in the private network, and the name in its certificate. */
const ADDRESS = "10.99.0.5";
const NAME = "db.internal";
const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** Runs this file again in a namespace with the address on loopback. False where none can be made. */
function runInNamespace() {
  const asUser = process.getuid() === 0 ? [] : ["--user", "--map-current-user", "--keep-caps"];
  const made = join(mkdtempSync(join(tmpdir(), "culvert-postgres-test-")), "made");
  const script = `ip link set lo up && ip address add ${ADDRESS}/32 dev lo && touch "${made}" && exec "$0" "$@"`;
  const again = [process.execPath, fileURLToPath(import.meta.url)];
  const environment = { ...process.env, [INSIDE]: "1" };
  delete environment["NODE_TEST_CONTEXT"];
  const ran = spawnSync("unshare", [...asUser, "--net", "sh", "-c", script, ...again], { env: environment, stdio: ["ignore", "inherit", "inherit"] });
  const inside = existsSync(made);
  rmSync(join(made, ".."), { recursive: true, force: true });
  if (inside) assert.equal(ran.status, 0, "failed inside the namespace");
  return inside;
}

async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert(Date.now() < deadline, `${what}: not in ${PATIENCE_MS} ms`);
    await wait(20);
  }
}

/** A certificate for NAME that is its own authority, as the server wants its files. */
function certificate(directory) {
  const [cert, key] = [join(directory, "server.crt"), join(directory, "server.key")];
  const subject = ["-subj", `/CN=${NAME}`, "-addext", `subjectAltName=DNS:${NAME}`];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", ...subject, "-out", cert, "-keyout", key], { stdio: "ignore" });
  chmodSync(directory, 0o755);
  chmodSync(key, 0o600);
  if (process.getuid() === 0) execFileSync("chown", ["postgres", key]);
  return { cert, key };
}

/** A PostgreSQL with a role that has a password. Nothing where it is not installed. */
async function startPostgres(directory) {
  const { cert, key } = certificate(directory);
  const rules = join(directory, "pg_hba.conf");
  writeFileSync(rules, "local all all trust\nhost all all all scram-sha-256\n");
  const settings = { listen_addresses: ADDRESS, ssl: "on", ssl_cert_file: cert, ssl_key_file: key, hba_file: rules };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = spawn(join(root, "scripts/private-postgres"), options, { stdio: ["pipe", "pipe", "inherit"] });
  const url = await Promise.race([once(server.stdout, "data").then(([line]) => String(line).trim()), once(server, "exit").then(() => undefined)]);
  if (url === undefined) {
    assert.equal(server.exitCode, 3, "PostgreSQL could not be started");
    return undefined;
  }
  const statements = "CREATE ROLE app LOGIN PASSWORD 'correct horse'; GRANT ALL ON SCHEMA public TO app";
  execFileSync("psql", [url, "--quiet", "--command", statements]);
  return { authority: readFileSync(cert, "utf8"), stop: () => server.stdin.end() };
}

function start(context, args, options = {}) {
  const child = spawn(process.env["CULVERT"], args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let log = "";
  child.stdout.on("data", (chunk) => (log += chunk));
  child.stderr.on("data", (chunk) => (log += chunk));
  context.after(() => child.kill("SIGKILL"));
  return { child, log: () => log };
}

/** An edge on an empty data directory, with a tunnel and its connector. */
async function startEdge(context, directory) {
  const data = join(directory, "data");
  const any = "127.0.0.1:0";
  const edge = start(context, ["serve", "--data-dir", data, "--http", any, "--api", any, "--tunnel", any]);
  const addresses = await until("culvert serve", () => {
    assert.equal(edge.child.exitCode, null, edge.log());
    const file = join(data, "addresses.json");
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  });
  const token = readFileSync(join(data, "admin-token"), "utf8").trim();
  const api = async (path, body) => {
    const answer = await fetch(`http://${addresses.api}/client/v4/accounts/local${path}`, {
      method: body === undefined ? "GET" : "POST", headers: { authorization: `Bearer ${token}` }, body: body && JSON.stringify(body),
    });
    const envelope = await answer.json();
    assert(envelope.success, JSON.stringify(envelope.errors));
    return envelope.result;
  };
  const tunnel = await api("/cfd_tunnel", { name: "private", config_src: "cloudflare" });
  start(context, ["connect", "--edge", addresses.tunnel, "--ca", join(data, "tunnel-ca.pem")], { env: { ...process.env, TUNNEL_TOKEN: tunnel.token } });
  await until("the connector", async () => ((await api(`/cfd_tunnel/${tunnel.id}`)).connections.length > 0 ? true : undefined));
  const deploy = (project) => {
    const args = ["deploy", project, "--name", "client", "--api", `http://${addresses.api}`, "--data-dir", data];
    execFileSync(process.env["CULVERT"], args, { stdio: ["ignore", "ignore", "inherit"] });
  };
  const visit = async (path) => {
    const [hostname, port] = addresses.http.split(":");
    const outgoing = request({ hostname, port, path, headers: { host: "client.localhost" }, timeout: PATIENCE_MS });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`${path}: no answer in ${PATIENCE_MS} ms`)));
    outgoing.end();
    const [response] = await once(outgoing, "response");
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    return { status: response.statusCode, text, json: () => JSON.parse(text) };
  };
  return { api, deploy, visit, tunnel };
}

/** Packages of npm require Node's modules by names without `node:`; what is bundled imports them. */
const requireNodeModules = {
  name: "node-modules",
  setup(build) {
    const bare = new RegExp(`^(node:)?(${builtinModules.join("|")})$`);
    build.onResolve({ filter: bare }, ({ path, kind }) => {
      const name = path.startsWith("node:") ? path : `node:${path}`;
      return kind === "require-call" ? { path: name, namespace: "required" } : { path: name, external: true };
    });
    build.onLoad({ filter: /.*/, namespace: "required" }, ({ path }) => ({ contents: `import builtin from "${path}"; module.exports = builtin;` }));
  },
};

async function bundle(directory, bindings) {
  const project = join(directory, "project");
  mkdirSync(project);
  await build({
    entryPoints: [join(here, "worker.mjs")], outfile: join(project, "index.js"), bundle: true, format: "esm", target: "es2022", logLevel: "error",
    conditions: ["workerd", "worker", "browser"], external: ["cloudflare:*", "pg-native"], plugins: [requireNodeModules],
  });
  const configuration = { main: "index.js", compatibility_date: "2026-11-01", compatibility_flags: ["nodejs_compat"], ...bindings };
  writeFileSync(join(project, "wrangler.jsonc"), JSON.stringify(configuration));
  return project;
}

async function main(context) {
  const directory = mkdtempSync(join(tmpdir(), "culvert-postgres-test-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const server = await startPostgres(directory);
  if (server === undefined) return process.stderr.write("skipped: PostgreSQL is not installed (scripts/setup test installs it)\n");
  context.after(server.stop);
  const edge = await startEdge(context, directory);
  const { id: authority } = await edge.api("/mtls_certificates", { name: "db", ca: true, certificates: server.authority });
  const register = (name, settings) =>
    edge.api("/connectivity/directory/services", {
      name, type: "tcp", tcp_port: 5432, app_protocol: "postgresql", host: { ipv4: ADDRESS, network: { tunnel_id: edge.tunnel.id } }, ...settings,
    });
  const trusting = await register("db", { tls_settings: { certificate_authority: authority } });
  const strict = await register("strict", {});
  const closed = await register("closed", { tcp_port: 5433 });
  const service = (binding, { service_id }) => ({ binding, service_id });
  edge.deploy(
    await bundle(directory, {
      vpc_services: [service("DB", trusting), service("STRICT", strict), service("CLOSED", closed)],
      vpc_networks: [{ binding: "NETWORK", tunnel_id: edge.tunnel.id }],
    }),
  );
  const rows = [8, 9].map((id) => ({ id, name: `thing ${id}`, data: { id } }));
  const expected = { "/pg": { rows, bytes: 10_000_000, wrong: "42P01" }, "/postgres": { sum: 1225, bytes: 10_000_000, wrong: "42P01" } };
  for (const client of ["/pg", "/postgres"]) {
    for (const [binding, host, tls] of [["DB", NAME, "no"], ["DB", NAME, "yes"], ["NETWORK", ADDRESS, "no"]]) {
      await context.test(`${client.slice(1)} over ${binding}, TLS: ${tls}`, async () => {
        const answer = await edge.visit(`${client}?binding=${binding}&host=${host}&port=5432&tls=${tls}`);
        assert.equal(answer.status, 200, answer.text);
        assert.deepEqual(answer.json(), { ...expected[client], secured: tls === "yes" });
      });
    }
    // Each failure reaches the client with its cause.
    for (const [binding, host, tls, code] of [
      ["STRICT", NAME, "yes", "tls_certificate_error"],
      ["DB", "other.internal", "yes", "tls_certificate_error"],
      ["NETWORK", ADDRESS, "yes", "tls_certificate_error"],
      ["CLOSED", NAME, "no", "connection_refused"],
      ["NETWORK", "127.0.0.1", "no", "destination_ip_prohibited"],
    ]) {
      await context.test(`${client.slice(1)} over ${binding} to ${host}, TLS: ${tls}: ${code}`, async () => {
        const answer = (await edge.visit(`${client}?binding=${binding}&host=${host}&port=5432&tls=${tls}`)).json();
        assert.equal(answer.code, code, JSON.stringify(answer));
      });
    }
  }
}

if (process.env[INSIDE]) {
  assert(process.env["CULVERT"], "CULVERT must name the program to test: run `make test-postgres`");
  test("PostgreSQL", main);
} else {
  test("in a network namespace", () => {
    if (!runInNamespace()) process.stderr.write("skipped: no network namespace can be made here\n");
  });
}
