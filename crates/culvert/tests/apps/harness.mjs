/**
 * Applications deployed to an edge by stock wrangler, and their visitors. `CULVERT` names the program; `make test-apps` sets it.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as edges from "../edge.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** An edge whose Workers reach the servers of the tests on this machine by plain `fetch`. */
export async function startEdge() {
  const edge = await edges.startEdge("--allow-private-fetch");
  const { api, token, directory } = edge;

  return {
    log: edge.log,
    stop: edge.stop,

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
          CLOUDFLARE_API_BASE_URL: api, CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: "local",
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
      const answer = await edge.visit(`${name}.localhost`, path, { method, headers, body });
      return {
        ...answer,
        json() {
          try {
            return JSON.parse(answer.text());
          } catch {
            throw new Error(`${name}${path}: ${answer.status}, not JSON: ${answer.text().slice(0, 500)}`);
          }
        },
      };
    },

    /** Where a WebSocket of a Worker is opened, and the header that names the Worker. @param {string} name */
    socket: (name) => ({ url: `ws://${edge.http}/`, options: { headers: { host: `${name}.localhost` } } }),

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
      const answer = await fetch(`${api}/accounts/local/workers/scripts/${name}`, { method: "PUT", headers: { authorization: `Bearer ${token}` }, body: form });
      const { success, errors } = await answer.json();
      return success ? undefined : errors[0].message;
    },

    /** @param {string} name */
    remove: (name) => fetch(`${api}/accounts/local/workers/scripts/${name}`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } }),

    /** The newest record of a Worker's invocations, which says what it threw. @param {string} name */
    async record(name) {
      const answer = await fetch(`${api}/accounts/local/workers/invocations?worker=${name}`, { headers: { authorization: `Bearer ${token}` } });
      return (await answer.json()).result[0];
    },
  };
}
