// The real program, with a private network on this machine: an edge, a connector, private services that can be stopped. For tests.

import { spawn, execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { homedir, tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "./harness.mjs";

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "culvert/target");
export const BINARY = [process.env.CULVERT, join(process.env.CARGO_TARGET_DIR ?? CACHE, "release/culvert")].find((path) => path !== undefined && existsSync(path));
const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** A private service that counts what it answers. */
export async function privateService(name, port = 0) {
  const service = { name, requests: 0 };
  service.server = createServer((_, response) => {
    service.requests += 1;
    response.end(name);
  });
  await new Promise((resolve) => { service.server.listen(port, "127.0.0.1", resolve); });
  service.port = service.server.address().port;
  service.close = () => new Promise((resolve) => {
    service.server.closeAllConnections();
    service.server.close(resolve);
  });
  return service;
}

/** The dashboard's files before an API that does not serve them itself. */
async function front(api) {
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith("/client/v4")) {
      const path = new URL(incoming.url, "http://x").pathname;
      const file = extname(path) !== "" && existsSync(join(DIST, path)) ? path : "/index.html";
      readFile(join(DIST, file)).then((content) => outgoing.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(content), () => outgoing.writeHead(500).end());
      return;
    }
    const passed = request({ host: "127.0.0.1", port: Number(api.split(":")[1]), path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => { server.closeAllConnections(); server.close(); } };
}

/** Starts an edge in a directory of its own. */
export async function startProgram() {
  const directory = mkdtempSync(join(tmpdir(), "culvert-dashboard-"));
  const children = [];
  const start = (args) => {
    const child = spawn(BINARY, args, { stdio: "ignore" });
    children.push(child);
    return child;
  };
  start(["serve", "--data-dir", directory, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0", "--tunnel", "127.0.0.1:0"]);
  const addresses = await until(() => existsSync(join(directory, "addresses.json")) && JSON.parse(readFileSync(join(directory, "addresses.json"), "utf8")), "the edge serves", 30_000);
  const token = readFileSync(join(directory, "admin-token"), "utf8").trim();
  const api = async (path, options = {}) => {
    const response = await fetch(`http://${addresses.api}/client/v4${path}`, { ...options, headers: { authorization: `Bearer ${token}`, ...options.headers }, ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }) });
    return { status: response.status, ...(await response.json()) };
  };
  const page = await fetch(`http://${addresses.api}/`);
  const own = page.ok && (page.headers.get("content-type") ?? "").startsWith("text/html");
  const shown = own ? null : await front(addresses.api);
  return {
    addresses, token, api,
    /** Where the dashboard is, and whether the program serves it itself. */
    url: own ? `http://${addresses.api}` : shown.url, servesFiles: own,
    /** What this build of the program does not have of `API.md`. */
    async lacks(...paths) {
      const missing = [];
      for (const path of paths) if ((await api(path)).errors?.some(({ code }) => code === 7000 || code === 10405)) missing.push(path);
      return missing;
    },
    connect: (tunnelToken) => start(["connect", "--edge", addresses.tunnel, "--ca", join(directory, "tunnel-ca.pem"), "--token", tunnelToken]),
    deploy: (example, ...args) => promisify(execFile)(BINARY, ["deploy", join(EXAMPLES, example), "--api", `http://${addresses.api}`, "--api-token", token, ...args]),
    /** A visitor's request to a Worker. */
    visit: (worker, path = "/") => new Promise((resolve, reject) => {
      const [host, port] = addresses.http.split(":");
      request({ host, port: Number(port), path, headers: { host: `${worker}.localhost` } }, (response) => {
        let text = "";
        response.on("data", (chunk) => { text += chunk; });
        response.on("end", () => resolve({ status: response.statusCode, text }));
      }).on("error", reject).end();
    }),
    async close() {
      shown?.close();
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
