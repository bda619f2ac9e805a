/** `node:process` (https://nodejs.org/api/process.html), as far as a Worker has a process. */
import EventEmitter from "./events.js";
import { coded, unavailable } from "./errors.js";
import { env as bindings } from "./internal_env.js";
import { nextTick } from "./internal_process.js";
import { loaded } from "./registry.js";
import { Writable } from "./stream.js";

const VERSION = "v22.19.0";
const started = Date.now();

/** Text variables and secrets, when the Worker's flags ask for them; what a Worker writes here is its own. */
export const env = bindings;
export const title = "culvert";
export const version = VERSION;
export const versions = Object.freeze({ node: VERSION.slice(1), culvert: "0.1.0" });
export const release = Object.freeze({ name: "node", lts: true });
export const platform = "linux";
export const arch = "x64";
export const argv = ["workerd"];
export const argv0 = "workerd";
export const execArgv = /** @type {string[]} */ ([]);
export const execPath = "";
export const pid = 1;
export const ppid = 0;
export const features = Object.freeze({ inspector: false, debug: false, ipv6: true, uv: false, tls: true });
export const config = Object.freeze({ target_defaults: {}, variables: {} });
export const exitCode = undefined;

export { nextTick };
export const cwd = () => "/";
export const chdir = () => {
  throw unavailable("process.chdir");
};
export const umask = () => 0o22;
export const uptime = () => (Date.now() - started) / 1000;
export const getuid = () => 0;
export const geteuid = () => 0;
export const getgid = () => 0;
export const getegid = () => 0;

/** @param {[number, number]} [since] @returns {[number, number]} */
export function hrtime(since) {
  const now = performance.now();
  let seconds = Math.trunc(now / 1000);
  let nanoseconds = Math.trunc((now % 1000) * 1e6);
  if (since !== undefined) {
    seconds -= since[0];
    nanoseconds -= since[1];
    if (nanoseconds < 0) {
      seconds -= 1;
      nanoseconds += 1e9;
    }
  }
  return [seconds, nanoseconds];
}
hrtime.bigint = () => BigInt(Math.trunc(performance.now() * 1e6));

/** The isolate does not tell a Worker its memory: the numbers are zero, as in Workers. */
export const memoryUsage = () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 });
memoryUsage.rss = () => 0;
export const cpuUsage = () => ({ user: 0, system: 0 });
export const resourceUsage = () => ({});
export const constrainedMemory = () => 0;
export const availableMemory = () => 0;

/** @param {string | Error} warning @param {any} [options] */
export function emitWarning(warning, options) {
  const type = typeof options === "string" ? options : options?.type ?? "Warning";
  const error = warning instanceof Error ? warning : Object.assign(new Error(warning), { name: type });
  console.warn(`(node) ${error.name}: ${error.message}`);
  process.emit("warning", error);
}

/** Ends nothing but the running code. @param {number} [code] */
export function exit(code) {
  throw coded(Error, "ERR_PROCESS_EXIT", `process.exit(${code ?? ""}) was called; a Worker has no process to end.`);
}
export const abort = () => exit();
export const kill = () => {
  throw unavailable("process.kill");
};
/** @param {string} name */
export function getBuiltinModule(name) {
  return loaded.get(name.replace(/^node:/, ""));
}
/** Whole lines go to the console. @param {(line: string) => void} print @param {number} fd */
function consoleStream(print, fd) {
  let rest = "";
  const decoder = new TextDecoder();
  const stream = new Writable({
    decodeStrings: true,
    /** @param {Uint8Array} chunk @param {any} _encoding @param {() => void} done */
    write(chunk, _encoding, done) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = /** @type {string} */ (lines.pop());
      for (const line of lines) print(line);
      done();
    },
  });
  return Object.assign(stream, { fd, isTTY: false, columns: 80 });
}

/** @type {any} */
let out, err;
export const stdin = undefined;

const process = Object.assign(/** @type {any} */ (new EventEmitter()), {
  abort, arch, argv, argv0, availableMemory, chdir, config, constrainedMemory, cpuUsage, cwd, emitWarning, env, execArgv, execPath,
  exit, exitCode, features, getBuiltinModule, getegid, geteuid, getgid, getuid, hrtime, kill, memoryUsage, nextTick, pid, platform, ppid, release,
  resourceUsage, stdin, title, umask, uptime, version, versions,
  binding() {
    throw unavailable("process.binding");
  },
});
Object.defineProperties(process, {
  stdout: { get: () => (out ??= consoleStream((line) => console.log(line), 1)), configurable: true, enumerable: true },
  stderr: { get: () => (err ??= consoleStream((line) => console.error(line), 2)), configurable: true, enumerable: true },
  [Symbol.toStringTag]: { value: "process" },
});
export default process;
