/**
 * A `culvert serve` of its own, and visitors. `CULVERT` names the program; make sets it.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

export const PATIENCE_MS = 60_000;

/**
 * An edge with an empty data directory on free ports. `http` is where visitors come, `api` the API's base URL.
 * @param {...string} options further ones of `culvert serve`
 */
export async function startEdge(...options) {
  const program = process.env["CULVERT"];
  assert(program, "CULVERT must name the program to test: run the tests by make");
  const directory = await mkdtemp(join(tmpdir(), "culvert-test-"));
  const data = join(directory, "data");
  const any = "127.0.0.1:0";
  const child = spawn(program, ["serve", "--data-dir", data, "--http", any, "--api", any, "--tunnel", any, ...options], { stdio: ["ignore", "ignore", "pipe"] });
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

  return {
    directory, http,
    api: `http://${api}/client/v4`,
    token: (await read("admin-token")).trim(),
    log: () => log,

    /**
     * A visitor's request to a host name. Header values that come several times are an array.
     * @param {string} host @param {string} path @param {{method?: string, headers?: Record<string, string>, body?: string | Uint8Array}} [options]
     */
    async visit(host, path = "/", { method = "GET", headers = {}, body } = {}) {
      const [hostname, port] = http.split(":");
      const outgoing = request({ hostname, port, method, path, headers: { host, ...headers }, timeout: PATIENCE_MS });
      outgoing.on("timeout", () => outgoing.destroy(new Error(`${host}${path}: no answer in ${PATIENCE_MS} ms`)));
      outgoing.end(body);
      const [response] = await once(outgoing, "response");
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      return { status: response.statusCode, headers: response.headers, bytes, chunks, text: () => bytes.toString() };
    },

    async stop() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      await rm(directory, { recursive: true, force: true });
    },
  };
}
