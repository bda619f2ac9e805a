// Runs the tests' own scripts, which are classic ones: all in one sloppy function, which is compiled at start-up, the only time at which a
// Worker may compile. What tests expect of a worker's global and Workers have not is brought here.
import text from "./scripts.txt";

// The tests of interfaces evaluate what makes an object of each, while a request is served: all of that is compiled here, too.
const objects = [...text.matchAll(/add_objects\(\{(.*?)\}\);/gs)].flatMap(([, list]) => [...list.matchAll(/"([^"\n]*)"|'([^'\n]*)'/g)]);
const cases = [...new Set(objects.map(([, double, single]) => double ?? single))].map((each) => `case ${JSON.stringify(each)}: return (${each});`);
const evaluated = `function evaluated(text) { switch (text) { ${cases.join(" ")} } throw new EvalError(text); }\n`;
const scripts = text.replaceAll("eval(desc)", "evaluated(desc)");

// Functions that scripts declare at their top are the global's: some look for them there.
const declared = [...new Set([...scripts.matchAll(/^(?:async )?function\*? (\w+)\(/gm)].map((match) => match[1]))];
const expose = (name) => `if (typeof ${name} === "function") globalThis.${name} = ${name};`;
const exposed = declared.filter((name) => !(name in globalThis)).map(expose).join("");
const strict = scripts.startsWith("'use strict'") ? "'use strict';" : "";
const run = (0, eval)(`(function (completed, begun, location, fetch, Request) {${strict}${exposed}${evaluated}${scripts}\n})`);

/** How long tests that never end are waited for. */
const PATIENCE = 20_000;

// Scripts of workers name what comes before them; it is there already.
globalThis.importScripts = () => {};
globalThis.GLOBAL = { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false };

/** The harness runs as in a shell, as nobody asks for the results by messages; the tests are for a worker's global. */
const begun = () => {
  globalThis.DedicatedWorkerGlobalScope = class {
    static [Symbol.hasInstance](value) {
      return value === globalThis;
    }
  };
};

export default {
  async fetch(request) {
    const { url } = request;
    const { href, origin, protocol, host, hostname, port, pathname, search, hash } = new URL(url);
    const location = { href, origin, protocol, host, hostname, port, pathname, search, hash, toString: () => href };
    globalThis.location = location;
    // Workers have no URL of their own, which relative ones could be relative to. Scripts' own URLs come first in the arguments.
    const isObject = (input) => typeof input === "object" && input !== null;
    const absolute = (input) => (isObject(input) || typeof input === "symbol" ? input : (URL.parse(input, url)?.href ?? input));
    const absoluteFirst = (values) => (values.length === 0 ? values : [absolute(values[0]), ...values.slice(1)]);
    const resolvingFunction = (work) => new Proxy(work, { apply: (target, self, values) => Reflect.apply(target, self, absoluteFirst(values)) });
    const resolving = (Class) => {
      const Resolving = new Proxy(Class, {
        construct: (target, values, newTarget) => Reflect.construct(target, absoluteFirst(values), newTarget === Resolving ? target : newTarget),
      });
      Object.defineProperty(Class.prototype, "constructor", { value: Resolving, writable: true, enumerable: false, configurable: true });
      return Resolving;
    };
    const Request = resolving(globalThis.Request);
    const fetch = resolvingFunction(globalThis.fetch);
    Object.assign(globalThis, { fetch, Request, EventSource: resolving(globalThis.EventSource), WebSocket: resolving(globalThis.WebSocket) });
    Object.assign(Response, { redirect: resolvingFunction(Response.redirect) });
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
        run.call(globalThis, completed, begun, location, fetch, Request);
      } catch (error) {
        resolve([{ name: "(the file)", passed: false, message: `${error}` }]);
      }
    });
    return Response.json(tests);
  },
};
