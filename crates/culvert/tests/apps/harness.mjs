/**
 * A `culvert serve` of its own, applications deployed to it by stock wrangler, and visitors. `CULVERT` names the program; `make test-apps` sets it.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const PATIENCE_MS = 60_000;

/** An edge with an empty data directory on free ports; plain `fetch` reaches the servers of the tests on this machine. */
export async function startEdge() {
  const program = process.env["CULVERT"];
  assert(program, "CULVERT must name the program to test: run `make test-apps`");
  const directory = await mkdtemp(join(tmpdir(), "culvert-apps-"));
  const data = join(directory, "data");
  const any = "127.0.0.1:0";
  const child = spawn(program, ["serve", "--data-dir", data, "--http", any, "--api", any, "--tunnel", any, "--allow-private-fetch"], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const read = (name) => readFile(join(data, name), "utf8").catch(() => undefined);
  const deadline = Date.now() + PATIENCE_MS;
  let addresses;
  while ((addresses = await read("addresses.json")) === undefined) {
    assert(child.exitCode === null && Date.now() < deadline, `culvert serve does not serve:\n${log}`);
    await wait(20);
  }
  const { http, api } = JSON.parse(addresses);
  const token = (await read("admin-token")).trim();

  return {
    log: () => log,

    /**
     * Deploys `src/FILE` as the Worker NAME.
     * @param {string} name @param {string} file @param {{flags?: string[], vars?: Record<string, string>, dir?: string}} [options]
     */
    async deploy(name, file, { flags = ["nodejs_compat"], vars = {} } = {}) {
      const options = [...flags.map((flag) => `--compatibility-flags=${flag}`), ...Object.entries(vars).flatMap(([key, value]) => ["--var", `${key}:${value}`])];
      const wrangler = spawn(process.execPath, [join(here, "node_modules/wrangler/bin/wrangler.js"), "deploy", `src/${file}`, "--name", name, ...options], {
        cwd: here,
        env: {
          ...process.env,
          CLOUDFLARE_API_BASE_URL: `http://${api}/client/v4`, CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: "local",
          WRANGLER_SEND_METRICS: "false", CI: "1", NO_COLOR: "1", HOME: directory, XDG_CONFIG_HOME: directory,
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let output = "";
      wrangler.stdout.on("data", (chunk) => (output += chunk));
      wrangler.stderr.on("data", (chunk) => (output += chunk));
      const [status] = await once(wrangler, "close");
      assert.equal(status, 0, `wrangler deploy ${file}:\n${output}`);
    },

    /**
     * A visitor's request to a Worker. Header values that come several times are an array.
     * @param {string} name @param {string} path @param {{method?: string, headers?: Record<string, string>, body?: string | Uint8Array}} [options]
     */
    async visit(name, path, { method = "GET", headers = {}, body } = {}) {
      const [hostname, port] = http.split(":");
      const outgoing = request({ hostname, port, method, path, headers: { host: `${name}.localhost`, ...headers }, timeout: PATIENCE_MS });
      outgoing.on("timeout", () => outgoing.destroy(new Error(`${name}${path}: no answer in ${PATIENCE_MS} ms`)));
      outgoing.end(body);
      const [response] = await once(outgoing, "response");
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      return {
        status: response.statusCode, headers: response.headers, bytes, chunks,
        text: () => bytes.toString(),
        json() {
          try {
            return JSON.parse(bytes.toString());
          } catch {
            throw new Error(`${name}${path}: ${response.statusCode}, not JSON: ${bytes.toString().slice(0, 500)}`);
          }
        },
      };
    },

    /** Where a WebSocket of a Worker is opened, and the header that names the Worker. @param {string} name */
    socket: (name) => ({ url: `ws://${http}/`, options: { headers: { host: `${name}.localhost` } } }),

    /**
     * Uploads modules as they are, `worker.js` first; gives why they are refused.
     * @param {string} name @param {Record<string, string>} modules @returns {Promise<string | undefined>}
     */
    async upload(name, modules) {
      const form = new FormData();
      const metadata = { main_module: "worker.js", compatibility_date: "2026-06-01", compatibility_flags: ["nodejs_compat"] };
      form.set("metadata", new Blob([JSON.stringify(metadata)], { type: "application/json" }));
      for (const [file, text] of Object.entries(modules)) {
        const type = file.endsWith(".json") ? "application/json" : "application/javascript+module";
        form.set(file, new File([text], file, { type }));
      }
      const answer = await fetch(`http://${api}/client/v4/accounts/local/workers/scripts/${name}`, { method: "PUT", headers: { authorization: `Bearer ${token}` }, body: form });
      const { success, errors } = await answer.json();
      return success ? undefined : errors[0].message;
    },

    /** @param {string} name */
    remove: (name) => fetch(`http://${api}/client/v4/accounts/local/workers/scripts/${name}`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } }),

    /** The newest record of a Worker's invocations, which says what it threw. @param {string} name */
    async record(name) {
      const answer = await fetch(`http://${api}/client/v4/accounts/local/workers/invocations?script=${name}`, { headers: { authorization: `Bearer ${token}` } });
      return (await answer.json()).result[0];
    },

    async stop() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      await rm(directory, { recursive: true, force: true });
    },
  };
}
