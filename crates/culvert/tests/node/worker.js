/** Runs one of Node's test files, which `run.mjs` makes `test.js`, and tells how it went. */
import fixtures from "./fixtures.json";
import common, { Skipped, calls, failures } from "./common.js";
import run from "./test.js";
MODULES;

/** How long a test may take to make all its calls, and how long it must be quiet afterwards. */
const PATIENCE_MS = 5000;
const QUIET_MS = 30;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const key = (name, encoding) => {
  const bytes = Buffer.from(fixtures[`keys/${name}`] ?? common.skip(`no fixture ${name}`), "base64");
  return encoding ? bytes.toString(encoding) : bytes;
};
const read = (name, encoding) => {
  const bytes = Buffer.from(fixtures[[name].flat().join("/")] ?? common.skip(`no fixture ${name}`), "base64");
  return encoding ? bytes.toString(encoding) : bytes;
};
const special = {
  "../common": common,
  "../common/index": common,
  "../common/fixtures": { readKey: key, readSync: read, path: (...parts) => parts.join("/"), fixturesDir: "", utf8TestText: "", utf8TestTextPath: "" },
  "../common/crypto": undefined,
};
function require(name) {
  if (name in special && special[name] !== undefined) return special[name];
  const module = modules.get(name.replace(/^node:/, ""));
  if (module === undefined) throw new Skipped(`needs ${name}`);
  return module;
}
const unmet = () => calls.filter(({ actual, least, most }) => actual < least || actual > most);
const told = (error) => (error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error)).slice(0, 1500);

export default {
  async fetch() {
    addEventListener("unhandledrejection", (event) => {
      failures.push(event.reason);
      event.preventDefault();
    });
    addEventListener("error", (event) => {
      failures.push(event.error);
      event.preventDefault();
    });
    try {
      const module = { exports: {} };
      await run(require, module, module.exports, "/test/parallel/FILE_NAME", "/test/parallel");
      const until = Date.now() + PATIENCE_MS;
      do await wait(QUIET_MS);
      while (failures.length === 0 && unmet().length > 0 && Date.now() < until);
      process.emit("exit", 0);
    } catch (error) {
      if (error instanceof Skipped) return Response.json({ skipped: error.message });
      failures.unshift(error);
    }
    const skipped = failures.find((error) => error instanceof Skipped);
    if (skipped) return Response.json({ skipped: skipped.message });
    if (failures.length > 0) return Response.json({ failed: told(failures[0]) });
    const [call] = unmet();
    if (call) return Response.json({ failed: `${call.name} was called ${call.actual} times instead of ${call.least}\n${call.stack}`.slice(0, 1500) });
    return Response.json({ passed: true });
  },
};
