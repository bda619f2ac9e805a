// Where a Worker is served, when it runs and what is recorded of it, as set on its Settings page: what the API has afterwards, and what requests meet.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "./harness.mjs";
import { button, finish, setUp, signedIn, skip, sum, workerMetrics } from "./real.mjs";

describe("a Worker's Settings page", { skip, timeout: 600_000 }, () => {
  const world = setUp(async (program) => {
    await program.deploy({});
    await program.deploy({}, { name: "other" });
  });
  const settingsOf = async () => world.program.api("/workers/scripts/prober/settings");

  test("a custom domain that is added serves the Worker, and one that is taken away does not", async () => {
    const { api, visit } = world.program;
    const domains = async (worker) => (await api("/workers/domains")).filter(({ service }) => service === worker).map(({ hostname }) => hostname).sort();
    const status = async (host) => (await visit("/greeting", host)).status;
    const page = await signedIn(world, "/workers/prober/settings");
    const field = page.getByLabel("Custom domains");
    const save = async (text) => {
      await field.fill(text);
      await button(page, "Save custom domains").click();
    };
    // Who asks after the answer is served by it; the list of domains has it a moment before.
    const saved = async (text) => {
      const answered = page.waitForResponse((response) => response.request().method() === "PUT" && response.url().endsWith("/domains/records"));
      await save(text);
      assert.equal((await answered).status(), 200);
    };
    assert.equal(await status("shop.example.test"), 404);
    await save("shop.example.test\nwww.example.test");
    await page.getByText("Custom domains saved.").waitFor();
    assert.deepEqual(await domains("prober"), ["shop.example.test", "www.example.test"]);
    assert.equal((await visit("/greeting", "shop.example.test")).text, "hello, no password");
    assert.equal(await status("www.example.test"), 200);
    // What is no host name is refused at the field, and changes nothing.
    await save("shop.example.test/path");
    await page.locator(".field", { has: field }).locator(".wrong").waitFor();
    assert.deepEqual(await domains("prober"), ["shop.example.test", "www.example.test"]);
    await saved("www.example.test");
    assert.deepEqual(await domains("prober"), ["www.example.test"]);
    assert.equal(await status("shop.example.test"), 404);
    assert.equal(await status("www.example.test"), 200);
    await page.reload();
    await until(async () => (await field.inputValue()) === "www.example.test", "the page has what is left");
    await saved("");
    assert.deepEqual(await domains("prober"), []);
    assert.equal(await status("www.example.test"), 404);
    await finish(page);
  });

  test("a custom domain of another Worker is not taken from it", async () => {
    const { api, visit } = world.program;
    const put = (worker, origins) => api(`/workers/scripts/${worker}/domains/records`, { method: "PUT", body: { override_scope: true, override_existing_origin: false, origins } });
    await put("other", [{ hostname: "taken.example.test" }]);
    const page = await signedIn(world, "/workers/prober/settings");
    await page.getByLabel("Custom domains").fill("taken.example.test");
    await button(page, "Save custom domains").click();
    await page.getByText(/other/).first().waitFor();
    assert.deepEqual((await api("/workers/domains")).map(({ hostname, service }) => [hostname, service]), [["taken.example.test", "other"]]);
    assert.equal((await visit("/greeting", "taken.example.test")).status, 200);
    await put("other", []);
    await finish(page);
  });

  test("a cron trigger that is added runs the Worker, and one that is taken away is gone", async () => {
    const { api } = world.program;
    const crons = async () => (await api("/workers/scripts/prober/schedules")).schedules.map(({ cron }) => cron);
    const page = await signedIn(world, "/workers/prober/settings");
    const field = page.getByLabel("Cron triggers");
    await field.fill("every minute");
    await button(page, "Save cron triggers").click();
    await page.locator(".field", { has: field }).locator(".wrong").waitFor();
    assert.deepEqual(await crons(), []);
    await field.fill("* * * * *\n0 3 * * MON");
    await button(page, "Save cron triggers").click();
    await page.getByText("Cron triggers saved.").waitFor();
    assert.deepEqual((await crons()).sort(), ["* * * * *", "0 3 * * MON"]);
    // The next full minute is at most one away.
    await page.goto(`${world.program.url}/workers/prober/logs?q=cron`);
    await until(async () => (await api("/workers/invocations?worker=prober")).some(({ event }) => event.cron === "* * * * *"), "the trigger ran the Worker");
    await page.goto(`${world.program.url}/workers/prober/logs`);
    await page.getByText("Cron * * * * *").first().waitFor();
    await page.goto(`${world.program.url}/workers/prober/settings`);
    await until(async () => (await field.inputValue()).includes("0 3 * * MON"), "the page has both");
    await field.fill("0 3 * * MON");
    await button(page, "Save cron triggers").click();
    await until(async () => (await crons()).join() === "0 3 * * MON", "one trigger is left");
    // What is typed while the page reads again what it saved is kept.
    await field.fill("");
    await button(page, "Save cron triggers").click();
    await until(async () => (await crons()).length === 0, "no trigger is left");
    await finish(page);
  });

  test("what is recorded of invocations is what is set, and metrics count all of them", async () => {
    const { api, visit } = world.program;
    const page = await signedIn(world, "/workers/prober/settings");
    const counted = async () => sum(await workerMetrics(world, "worker=prober"), "count");
    const recorded = async () => (await api("/workers/invocations?worker=prober&q=recorded&limit=1000")).map(({ event }) => new URL(event.request.url).pathname);
    const share = page.getByLabel("Share that is kept");
    const keep = page.getByText("Keep a record of each invocation");
    /** Sends a request, and waits until it is counted: by then a record of it is there, if there is to be one. */
    const send = async (path) => {
      const before = await counted();
      await visit(path);
      await until(async () => (await counted()) > before, `${path} is counted`);
    };
    const set = async (wanted) => {
      await button(page, "Save logging").click();
      await until(async () => {
        const { enabled, head_sampling_rate: rate } = (await settingsOf()).observability;
        return enabled === wanted.enabled && (rate ?? 1) === wanted.rate;
      }, `the API has ${JSON.stringify(wanted)}`);
      await until(() => button(page, "Save logging").isDisabled(), "the page has it as well");
    };
    await send("/recorded/first");
    await until(async () => (await recorded()).includes("/recorded/first"), "a record");
    assert.ok(await button(page, "Save logging").isDisabled(), "nothing is changed yet");
    await keep.click();
    await set({ enabled: false, rate: 1 });
    await send("/recorded/unkept");
    await keep.click();
    await share.fill("2");
    await page.getByText("A number from 0 to 1.").waitFor();
    assert.ok(await button(page, "Save logging").isDisabled());
    await share.fill("0");
    await set({ enabled: true, rate: 0 });
    await send("/recorded/sampled-away");
    await page.reload();
    await until(async () => (await share.inputValue()) === "0", "the page has the share that is set");
    await share.fill("1");
    await set({ enabled: true, rate: 1 });
    await send("/recorded/last");
    await until(async () => (await recorded()).includes("/recorded/last"), "a record again");
    assert.deepEqual((await recorded()).sort(), ["/recorded/first", "/recorded/last"]);
    await finish(page);
  });
});
