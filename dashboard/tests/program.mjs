// The real program, with a private network on this machine: an edge, connectors, private services that can be stopped. For tests.

import { execFile, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startFront } from "./front.mjs";
import { until } from "./harness.mjs";

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "culvert/target");
export const BINARY = [process.env.CULVERT, join(process.env.CARGO_TARGET_DIR ?? CACHE, "release/culvert")].find((path) => path !== undefined && existsSync(path));
const PROBER = fileURLToPath(new URL("prober/", import.meta.url));

async function listening(server, port = 0) {
  await new Promise((resolve) => { server.listen(port, "127.0.0.1", resolve); });
  return server.address().port;
}

/** A private service that says its name and counts what it answers. */
export async function privateService(name, { tls, port } = {}) {
  const service = { name, requests: 0 };
  const answer = (_, response) => {
    service.requests += 1;
    response.end(name);
  };
  const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
  service.port = await listening(server, port);
  service.close = () => new Promise((resolve) => {
    server.closeAllConnections();
    server.close(resolve);
  });
  return service;
}

/** A certificate that nobody trusts: it is signed by itself. */
export function selfSigned(directory) {
  const [key, cert] = [join(directory, "own-key.pem"), join(directory, "own-cert.pem")];
  execFileSync("openssl", ["req", "-x509", ...NEW_KEY, "-days", "2", ...FOR_PRIVATE_INTERNAL, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

/** A certificate that was good for a month and is no longer. */
export function expired(directory) {
  const at = (name) => join(directory, `expired-${name}`);
  execFileSync("openssl", ["req", "-new", ...NEW_KEY, ...FOR_PRIVATE_INTERNAL, "-keyout", at("key.pem"), "-out", at("request.pem")], { stdio: "ignore" });
  writeFileSync(at("index"), "");
  writeFileSync(at("ca.conf"), `[ca]\ndefault_ca = own\n[own]\ndatabase = ${at("index")}\nnew_certs_dir = ${directory}\nrand_serial = yes\ndefault_md = sha256\npolicy = any\ncopy_extensions = copy\n[any]\ncommonName = supplied\n`);
  execFileSync("openssl", ["ca", "-batch", "-selfsign", "-config", at("ca.conf"), "-startdate", "20260901000000Z", "-enddate", "20261001000000Z", "-keyfile", at("key.pem"), "-in", at("request.pem"), "-notext", "-out", at("cert.pem")], { stdio: "ignore" });
  return { key: readFileSync(at("key.pem")), cert: readFileSync(at("cert.pem")) };
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
const FOR_PRIVATE_INTERNAL = ["-subj", "/CN=private.internal", "-addext", "subjectAltName=DNS:private.internal"];

/**
 * A resolver of a private network: names with their IPv4 addresses, with `servfail`, or with `silence`. It says of every other name that
 * it does not exist (NXDOMAIN).
 */
export async function resolver(zone = {}) {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const end = 12 + query.subarray(12).indexOf(0) + 5;
    const type = query.readUInt16BE(end - 4);
    const known = zone[nameIn(query)];
    if (known === "silence") return;
    const answer = Buffer.from(query.subarray(0, end));
    // A response, recursion available, and the code: the question comes back, and an address where there is one.
    answer[2] |= 0x80;
    answer[3] = 0x80 | (known === undefined ? 3 : known === "servfail" ? 2 : 0);
    const addresses = known !== undefined && known !== "servfail" && type === 1 ? [known] : [];
    answer.writeUInt16BE(addresses.length, 6);
    answer.writeUInt16BE(0, 10);
    const records = addresses.map((each) => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...each.split(".").map(Number)]));
    socket.send(Buffer.concat([answer, ...records]), port, address);
  });
  await new Promise((resolve) => { socket.bind(0, "127.0.0.1", resolve); });
  return { address: `127.0.0.1:${socket.address().port}`, close: () => new Promise((resolve) => { socket.close(resolve); }) };
}

/** The name that a query asks for. */
function nameIn(query) {
  const labels = [];
  for (let at = 12; query[at] > 0; at += query[at] + 1) labels.push(query.toString("latin1", at + 1, at + 1 + query[at]));
  return labels.join(".").toLowerCase();
}

/** A TCP server that does with each connection what it is told: answers garbage, half of something, nothing. */
export async function rude(behave) {
  const sockets = new Set();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    behave(socket);
  });
  const port = await listening(server);
  return {
    port,
    close: () => new Promise((resolve) => {
      sockets.forEach((socket) => socket.destroy());
      server.close(resolve);
    }),
  };
}

/** A port at which nobody listens. */
export async function closedPort() {
  const server = createTcpServer();
  const port = await listening(server);
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** Starts an edge in a directory of its own. */
export async function startProgram() {
  const directory = mkdtempSync(join(tmpdir(), "culvert-dashboard-"));
  // Commands that a page shows call the program by its name, whatever the file is called.
  const bin = join(directory, "bin");
  mkdirSync(bin);
  symlinkSync(resolve(BINARY), join(bin, "culvert"));
  const children = [];
  const start = (command, args, options = {}) => {
    const child = spawn(command, args, { stdio: "ignore", ...options });
    children.push(child);
    return child;
  };
  const stop = async (child) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  start(BINARY, ["serve", "--data-dir", directory, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0", "--tunnel", "127.0.0.1:0"]);
  const addresses = await until(() => existsSync(join(directory, "addresses.json")) && JSON.parse(readFileSync(join(directory, "addresses.json"), "utf8")), "the edge serves");
  const token = readFileSync(join(directory, "admin-token"), "utf8").trim();
  const api = async (path, { method, body } = {}) => {
    const response = await fetch(`http://${addresses.api}/client/v4/accounts/local${path}`, { method, headers: { authorization: `Bearer ${token}` }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const answer = await response.json();
    if (!answer.success) throw new Error(`${method ?? "GET"} ${path}: ${JSON.stringify(answer.errors)}`);
    return answer.result;
  };
  const front = process.env.DASHBOARD_DIST === undefined ? null : await startFront(`http://${addresses.api}`);
  return {
    addresses, token, api, directory, stop,
    url: front?.url ?? `http://${addresses.api}`,
    /** Runs the commands that a page shows, as somebody who copied them into a shell; the last one goes on until it is stopped. */
    shell: (commands, more = "") => start("bash", ["-c", commands.map((command, index) => (index === commands.length - 1 ? `exec ${command} ${more}` : command)).join("\n")], {
      cwd: mkdtempSync(join(directory, "shell-")), env: { ...process.env, PATH: [bin, dirname(process.env.CLOUDFLARED ?? BINARY), process.env.PATH].join(":") },
    }),
    /** Deploys the Worker of these tests, or changes how it is bound. */
    deploy: (bindings, { name = "prober", message } = {}) => promisify(execFile)(BINARY, [
      "deploy", PROBER, "--name", name, "--api", `http://${addresses.api}`, "--api-token", token,
      ...(message === undefined ? [] : ["--message", message]),
      ...Object.entries(bindings).flatMap(([binding, service]) => ["--vpc-service", `${binding}=${service}`]),
    ]),
    /** A visitor's request to a Worker. */
    visit: (path = "/", host = "prober.localhost") => new Promise((resolve, reject) => {
      const [address, port] = addresses.http.split(":");
      request({ host: address, port: Number(port), path, headers: { host } }, (response) => {
        let text = "";
        response.on("data", (chunk) => { text += chunk; });
        response.on("end", () => resolve({ status: response.statusCode, text, ray: response.headers["cf-ray"] }));
        response.on("error", reject);
      }).on("error", reject).end();
    }),
    async close() {
      await front?.close();
      for (const child of children.reverse()) await stop(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
