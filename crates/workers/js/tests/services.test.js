import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatch, inWorker, isolate } from "./harness.js";

const CALLEE = `
  import { WorkerEntrypoint } from "cloudflare:workers";
  class Denied extends Error { name = "Denied"; status = 403; secret = () => {}; }
  export class Admin extends WorkerEntrypoint {
    own = 1;
    add(a, b) { return a + b; }
    get color() { return "green"; }
    who() { return { props: this.ctx.props, name: this.env.NAME }; }
    deny() { throw new Denied("no", { cause: new TypeError("deep") }); }
  }
  export const plain = { shout: (text, env) => text.toUpperCase() + env.NAME };
  export default { fetch() {} };
`;

/** Calls a method as another Worker does. */
async function call(worker, path, given, entrypoint, props) {
  const { host, entries } = worker;
  const invocation = 1000 + host.calls.length + Math.floor(performance.now() * 1000);
  const result = host.begin(invocation);
  const value = given === undefined ? undefined : host.functions.serialize(host.own([host.own(given), host.own([])]));
  entries.rpc(invocation, host.own(path), value, host.own([]), entrypoint, props);
  await result.ended;
  return result;
}

test("methods, properties, props and env of an entrypoint are reached, and nothing else", async () => {
  const worker = await isolate({ modules: { main: CALLEE }, bindings: [{ name: "NAME", type: "plain_text", text: "!" }] });
  assert.deepEqual(JSON.parse(JSON.stringify(worker.entries.entrypoints())), [["Admin"], ["default", "fetch"]], "an object without handlers is no entrypoint of its own");
  assert.equal((await call(worker, ["add"], [2, 3], "Admin")).answer[0], 5);
  assert.equal((await call(worker, ["color"], undefined, "Admin")).answer[0], "green");
  assert.equal((await call(worker, ["shout"], ["a"], "plain")).answer[0], "A!");
  assert.equal(JSON.stringify((await call(worker, ["who"], [], "Admin", '{"a":1}')).answer[0]), '{"props":{"a":1},"name":"!"}');
  for (const [path, entrypoint] of [[["own"], "Admin"], [["constructor"], "Admin"], [["ctx"], "Admin"], [["nothing"], "Admin"], [["toString"], "plain"], [["x"], "Nobody"]]) {
    assert.equal((await call(worker, path, [], entrypoint)).failure.name, "TypeError", `${entrypoint}.${path}`);
  }
});

test("what is thrown is told with what can be cloned of it", async () => {
  const worker = await isolate({ modules: { main: CALLEE } });
  const { thrown } = await call(worker, ["deny"], [], "Admin");
  const [, kind, facts] = thrown[1][0];
  assert.deepEqual([kind, facts.class, facts.name, facts.message, { ...facts.own }], ["Error", "Error", "Denied", "no", { status: 403 }]);
  assert.equal(thrown[1][1][2].message, "deep");
  // A visitor's request has nobody to tell.
  const visited = await isolate({ modules: { main: "export default { fetch() { throw new Error('x'); } };" } });
  assert.equal((await dispatch(visited)).thrown, undefined);
});

test("a binding calls by its name and path, and refuses what cannot be sent", async () => {
  const bindings = [{ name: "OTHER", type: "service" }];
  let calls;
  const told = await inWorker(
    async (request, env) => {
      const name = (work) => work().then(() => "none", (error) => error.name);
      await env.OTHER.deep.er(1, "two");
      await env.OTHER.property;
      return [
        await name(() => env.OTHER.m(() => {})),
        await name(() => env.OTHER.m(new (class Mine {})())),
        await name(() => env.OTHER.m(env.OTHER)),
        env.OTHER.then === undefined,
        env.OTHER instanceof globalThis.Fetcher,
        JSON.stringify(env.OTHER),
      ];
    },
    { bindings, prepare: (worker) => (calls = worker.host.calls) },
  );
  assert.deepEqual(told, ["DataCloneError", "DataCloneError", "DataCloneError", true, true, "{}"]);
  assert.deepEqual(calls.map(({ target, path, value }) => [target, path, value === undefined ? undefined : JSON.stringify(value[0])]), [
    ["OTHER", ["deep", "er"], '[1,"two"]'],
    ["OTHER", ["property"], undefined],
  ]);
});
