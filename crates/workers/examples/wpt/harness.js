// Runs the tests' own scripts, which are classic ones: all in one sloppy function, which is compiled at start-up, the only time at which a
// Worker may compile. What tests expect of a worker's global and Workers have not is brought here.
import scripts from "./scripts.txt";

// Functions that scripts declare at their top are the global's: some look for them there.
const declared = [...new Set([...scripts.matchAll(/^(?:async )?function\*? (\w+)\(/gm)].map((match) => match[1]))];
const expose = (name) => `if (typeof ${name} === "function") globalThis.${name} = ${name};`;
const exposed = declared.filter((name) => !(name in globalThis)).map(expose).join("");
const strict = scripts.startsWith("'use strict'") ? "'use strict';" : "";
const run = (0, eval)(`(function (completed, location, fetch, Request) {${strict}${exposed}${scripts}\n})`);

/** How long tests that never end are waited for. */
const PATIENCE = 20_000;

// Scripts of workers name what comes before them; it is there already.
globalThis.importScripts = () => {};
globalThis.GLOBAL = { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false };

export default {
  async fetch(request) {
    const { url } = request;
    const { href, origin, protocol, host, hostname, port, pathname, search, hash } = new URL(url);
    const location = { href, origin, protocol, host, hostname, port, pathname, search, hash, toString: () => href };
    globalThis.location = location;
    const absolute = (input) => (typeof input === "string" ? (URL.parse(input, url)?.href ?? input) : input);
    const { fetch: fetchAbsolute } = globalThis;
    const fetch = (input, ...rest) => fetchAbsolute(absolute(input), ...rest);
    // Classes whose first argument is a URL.
    const resolving = (Class) => {
      const Resolving = new Proxy(Class, {
        construct: (target, [input, ...rest], newTarget) =>
          Reflect.construct(target, input === undefined && rest.length === 0 ? [] : [absolute(input), ...rest], newTarget === Resolving ? target : newTarget),
      });
      Object.defineProperty(Class.prototype, "constructor", { value: Resolving, writable: true, enumerable: false, configurable: true });
      return Resolving;
    };
    const Request = resolving(globalThis.Request);
    Object.assign(globalThis, { fetch, Request, EventSource: resolving(globalThis.EventSource) });
    const tests = await new Promise((resolve) => {
      const completed = (tests, status) => {
        const results = tests.map(({ name, status, message }) => ({ name, passed: status === 0, message: message ?? "" }));
        if (status.status !== 0) results.push({ name: "(the file)", passed: false, message: status.message ?? "" });
        resolve(results);
      };
      setTimeout(() => {
        // `done` of the harness makes what has not ended a timeout.
        try {
          globalThis.timeout();
        } catch (error) {
          resolve([{ name: "(the file)", passed: false, message: `never ended: ${error}` }]);
        }
      }, PATIENCE);
      try {
        run.call(globalThis, completed, location, fetch, Request);
      } catch (error) {
        resolve([{ name: "(the file)", passed: false, message: `${error}` }]);
      }
    });
    return Response.json(tests);
  },
};
