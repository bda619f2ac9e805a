/**
 * Loads the built-ins into a context that has nothing but ECMAScript, over a host in plain JavaScript (`mock_host.js`), and
 * drives them as the runtime does.
 */
import { readFileSync } from "node:fs";
import { createContext, runInContext, SourceTextModule } from "node:vm";
import { setFlagsFromString } from "node:v8";
import { makeHost } from "./mock_host.js";

const folder = new URL("../", import.meta.url);
const sources = new Map();
function source(name) {
  if (!sources.has(name)) sources.set(name, readFileSync(new URL(name, folder), "utf8"));
  return sources.get(name);
}

// What the product's engine has and Node 20 has not: behind a flag, or trivially added.
if (ArrayBuffer.prototype.transfer === undefined) setFlagsFromString("--harmony-rab-gsab-transfer");
const PREPARE = `
  delete globalThis.console;
  Promise.withResolvers ??= function withResolvers() {
    let resolve, reject;
    const promise = new this((yes, no) => { resolve = yes; reject = no; });
    return { promise, resolve, reject };
  };
`;

/**
 * An isolate with these modules of a Worker.
 * @param {{modules?: Record<string, string>, bindings?: any[], before?: string}} [options]
 */
export async function isolate({ modules = {}, bindings = [], before = "" } = {}) {
  const context = createContext(Object.create(null));
  runInContext(PREPARE + before, context);
  const host = makeHost(context);
  context.__host = host.functions;
  const loaded = new Map();
  function load(name) {
    if (!loaded.has(name)) {
      const text = name.startsWith("worker:") ? modules[name.slice(7)] : source(name);
      if (text === undefined) throw new Error(`no module ${name}`);
      loaded.set(name, new SourceTextModule(text, { context, identifier: name }));
    }
    return loaded.get(name);
  }
  function resolve(specifier, referrer) {
    if (specifier.startsWith("cloudflare:")) return `${specifier.replace(":", "_")}.js`;
    const plain = specifier.replace(/^\.\//, "");
    return referrer.startsWith("worker:") ? `worker:${plain}` : plain;
  }
  const link = (specifier, referrer) => load(resolve(specifier, referrer.identifier));
  host.importModule = async (specifier) => {
    const module = load(`worker:${specifier}`);
    if (module.status === "unlinked") await module.link(link);
    if (module.status === "linked") await module.evaluate();
    return module.namespace;
  };
  const main = load("main.js");
  await main.link(link);
  await main.evaluate();
  const entries = main.namespace.default;
  host.entries = entries;
  const handlers = modules["main"] === undefined ? [] : await entries.start("main", JSON.stringify(bindings));
  return { context, host, entries, handlers, run: (text) => runInContext(text, context) };
}

let invocations = 0;

/** Sends a request in, and collects what comes of it. */
export async function dispatch(isolate, { method = "GET", url = "http://worker.test/", headers = [], body } = {}) {
  const { host, entries } = isolate;
  invocations += 1;
  const invocation = invocations;
  const result = host.begin(invocation);
  const bodyId = body === undefined ? 0 : host.newBody(body);
  entries.fetch(invocation, method, url, host.own(headers), bodyId);
  await result.ended;
  return result;
}

/**
 * Runs a function inside an invocation; it sees nothing but its arguments and the globals. What it returns must be JSON.
 * @param {(request: Request, env: any, ctx: any) => any} work
 * @param {{bindings?: any[], top?: string, modules?: Record<string, string>, before?: string, request?: object, prepare?: (worker: any) => void}} [options]
 */
export async function inWorker(work, options = {}) {
  const main = `${options.top ?? ""}
    const work = ${work};
    export default { async fetch(request, env, ctx) {
      const result = await work(request, env, ctx);
      return new Response(JSON.stringify(result === undefined ? null : result));
    } };`;
  const worker = await isolate({ ...options, modules: { main, ...options.modules } });
  options.prepare?.(worker);
  const result = await dispatch(worker, options.request);
  if (result.failure !== undefined) throw new Error(`the Worker threw ${result.failure}\n${result.failure?.stack}`);
  return JSON.parse(result.text);
}
