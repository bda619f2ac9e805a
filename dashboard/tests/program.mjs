// The real program, with a private network on this machine: an edge, connectors, private services that can be stopped. For tests.

import { execFile, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
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
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=private.internal", "-addext", "subjectAltName=DNS:private.internal", "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

/** A resolver that knows no name: NXDOMAIN for every question. */
export async function ignorantResolver() {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const answer = Buffer.from(query);
    // A response, recursion available, code 3; the question comes back and nothing else.
    answer[2] |= 0x80;
    answer[3] = 0x83;
    const end = 12 + query.subarray(12).indexOf(0) + 5;
    answer.writeUInt16BE(0, 10);
    socket.send(answer.subarray(0, end), port, address);
  });
  await new Promise((resolve) => { socket.bind(0, "127.0.0.1", resolve); });
  return { address: `127.0.0.1:${socket.address().port}`, close: () => new Promise((resolve) => { socket.close(resolve); }) };
}

/** Starts an edge in a directory of its own. */
export async function startProgram() {
  const directory = mkdtempSync(join(tmpdir(), "culvert-dashboard-"));
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
  return {
    addresses, token, api, directory, stop,
    url: `http://${addresses.api}`,
    /** Runs the commands that a page shows, as somebody who copied them into a shell; the last one goes on until it is stopped. */
    shell: (commands, more = "") => start("bash", ["-c", commands.map((command, index) => (index === commands.length - 1 ? `exec ${command} ${more}` : command)).join("\n")], {
      cwd: mkdtempSync(join(directory, "shell-")), env: { ...process.env, PATH: `${dirname(BINARY)}:${process.env.PATH}` },
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
      for (const child of children.reverse()) await stop(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
