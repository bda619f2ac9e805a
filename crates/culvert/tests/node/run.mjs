/**
 * Runs Node's own tests of its modules in the built program and compares with what is expected: `make node-tests NODE=DIR [FILTER=TEXT]`.
 *
 * DIR is a source tree of Node.js (its `test` directory is enough), which is not part of this repository. Each file of `test/parallel` that is about a
 * module that Workers have becomes a Worker of its own: `worker.js` runs it, `common.js` stands for `test/common`. `expected.json` names every file:
 * `"passes"`, or why it does not. `--update` writes it anew; reasons that somebody wrote are kept.
 */
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startEdge } from "../apps/harness.mjs";

const KINDS = [
  "assert", "async-local-storage", "buffer", "crypto", "diagnostics-channel", "event", "path", "querystring", "stream", "string-decoder", "timers", "url", "util",
  "whatwg-url", "zlib",
];
const MODULES = [
  "assert", "assert/strict", "async_hooks", "buffer", "crypto", "diagnostics_channel", "events", "fs", "fs/promises", "http", "https", "net", "os", "path", "path/posix",
  "path/win32", "process", "querystring", "readline", "stream", "stream/consumers", "stream/promises", "stream/web", "string_decoder", "timers", "timers/promises",
  "tls", "url", "util", "util/types", "v8", "vm", "zlib",
];
/** Reasons that `--update` keeps are those that do not begin so. */
const FOUND = "fails: ";
const EXPECTED = new URL("./expected.json", import.meta.url);
const here = (name) => readFile(new URL(name, import.meta.url), "utf8");

const [root, ...rest] = process.argv.slice(2);
const update = rest.includes("--update");
const verbose = rest.includes("--verbose");
const filters = rest.filter((argument) => !argument.startsWith("--"));
if (!root) {
  console.log("usage: run.mjs DIR [--update] [--verbose] [FILTER…], DIR being a source tree of Node.js");
  process.exit(2);
}

/** Files that tests read, by path below `test/fixtures`. */
async function fixtures() {
  const found = {};
  for (const directory of ["", "keys"]) {
    const entries = await readdir(join(root, "test/fixtures", directory), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (!entry.isFile() || !/\.(pem|cert|csr|txt|pfx|crt|spkac|pub|key|jpg|png)$/.test(entry.name)) continue;
      found[directory ? `${directory}/${entry.name}` : entry.name] = (await readFile(join(root, "test/fixtures", directory, entry.name))).toString("base64");
    }
  }
  return JSON.stringify(found);
}

const worker = (await here("./worker.js")).replace(
  "MODULES;",
  `${MODULES.map((name, index) => `import m${index} from "node:${name}";`).join("")} const modules = new Map([${MODULES.map((name, index) => `["${name}", m${index}]`).join(",")}]);`,
);
const common = await here("./common.js");
const files = (await readdir(join(root, "test/parallel"))).filter((name) => KINDS.some((kind) => name.startsWith(`test-${kind}`)) && name.endsWith(".js") && filters.length === 0 || filters.some((filter) => name.includes(filter)));
const allFixtures = await fixtures();
const edge = await startEdge();

/** What the source alone says against running it. @param {string} source */
function unfit(source) {
  if (/^\/\/ Flags:.*--(expose[-_]internals|expose[-_]gc|allow-natives|no-opt|harmony|experimental|disable-proto|frozen|jitless|pending|abort|trace|stack|max|enable-fips|force-fips|openssl|tls|unhandled|throw|no-deprecation|icu|wasm)/m.test(source)) return "needs a flag of node";
  const needs = /require\(['"](child_process|cluster|worker_threads|inspector|dgram|domain|repl|internal\/[^'"]+|trace_events|node:test|node:child_process|\.\.\/common\/(?:wpt|tmpdir|report|countdown|internet|tick|arraystream|duplexpair|shared-lib-util|inspector-helper))['"]\)/.exec(source);
  if (needs) return `needs ${needs[1]}`;
  if (/process\.(binding|execPath|dlopen)|spawn\(|fork\(/.test(source)) return "needs a process";
  return undefined;
}

async function runFile(name) {
  const source = await readFile(join(root, "test/parallel", name), "utf8");
  const reason = unfit(source);
  if (reason) return reason;
  const test = `export default async function (require, module, exports, __filename, __dirname) {\n${source.replace(/^#!.*/, "")}\n}`;
  const script = name.replace(/^test-|\.js$/g, "").toLowerCase().slice(-60).replace(/^-+/, "");
  const deployed = await edge.upload(script, { "worker.js": worker.replaceAll("FILE_NAME", name), "common.js": common, "test.js": test, "fixtures.json": allFixtures });
  if (deployed !== undefined) return `${FOUND}${deployed}`;
  try {
    const { passed, skipped, failed } = (await edge.visit(script, "/")).json();
    return passed ? "passes" : skipped ? skipped : `${FOUND}${verbose ? failed : failed.split("\n")[0]}`;
  } catch (error) {
    return `${FOUND}${error.message.split("\n")[0]}`;
  } finally {
    await edge.remove(script);
  }
}

const expected = JSON.parse(await readFile(EXPECTED, "utf8").catch(() => "{}"));
const results = {};
const queue = [...files];
await Promise.all(
  [0, 1, 2].map(async () => {
    for (let name; (name = queue.shift()) !== undefined; ) results[name] = await runFile(name).catch((error) => `${FOUND}${error.message}`);
  }),
);
await edge.stop();

let surprises = 0;
const counts = {};
for (const name of files) {
  const kind = KINDS.find((one) => name.startsWith(`test-${one}`));
  const found = results[name];
  const count = (counts[kind] ??= { passed: 0, failed: 0, skipped: 0 });
  if (found === "passes") count.passed++;
  else if (found.startsWith(FOUND)) count.failed++;
  else count.skipped++;
  const before = expected[name];
  // What a failure says is not compared: a written reason stands for it.
  const same = before === found || (before !== undefined && before !== "passes" && found !== "passes");
  if (!same) {
    surprises++;
    console.log(`${name}: expected ${JSON.stringify(before)}, found ${JSON.stringify(found)}`);
  } else if (verbose && found !== "passes") {
    console.log(`${name}: ${found}`);
  }
  if (!same || before?.startsWith(FOUND)) expected[name] = found;
}
for (const [kind, { passed, failed, skipped }] of Object.entries(counts)) {
  const all = passed + failed;
  console.log(`${kind}: ${passed} of ${all} pass${all > 0 ? ` (${Math.round((100 * passed) / all)} %)` : ""}, ${skipped} do not apply`);
}
if (update) await writeFile(EXPECTED, `${JSON.stringify(Object.fromEntries(Object.entries(expected).sort(([a], [b]) => (a < b ? -1 : 1))), null, 1)}\n`);
process.exit(update || surprises === 0 ? 0 : 1);
