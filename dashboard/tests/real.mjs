// The real program and a browser for a file of tests, and what the tests of pages share: signing in, reading numbers off a page, asking the API.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before } from "node:test";
import { answersOf } from "./answers.mjs";
import { launch, noBrowser, openPage, signIn, until } from "./harness.mjs";
import { BINARY, startProgram } from "./program.mjs";

export const skip = noBrowser || (BINARY === undefined ? "no program: make build, or set CULVERT to it" : false);
export const SERVICES = "/connectivity/directory/services";
const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/**
 * One program and one browser for a file of tests. `start` is what starts the program: alone, or with a world around it. `prepare` gives what
 * the tests need besides; what it gives with a `close` is closed in the end.
 */
export function setUp(prepare, start = startProgram) {
  const world = { browser: null, program: null, facts: {} };
  let started;
  before(async () => {
    started = await start();
    world.program = started.program ?? started;
    world.answers = await answersOf(world.program.url);
    world.browser = await launch();
    Object.assign(world.facts, await prepare?.(world.program, started));
  });
  // What a test leaves open would go on asking the server every two seconds.
  afterEach(async () => {
    for (const context of world.browser?.contexts() ?? []) await context.close();
  });
  after(async () => {
    await world.browser?.close();
    for (const fact of Object.values(world.facts)) await fact?.close?.();
    await started?.close();
  });
  return world;
}

/** A page of somebody who is signed in. */
export async function signedIn(world, path = "/", { token = world.program.token, ...options } = {}) {
  const page = await openPage(world, options);
  await signIn(page, world.program.url, path, token);
  return page;
}

/** Ends a test: nothing on the page complained, and no answer was other than the document says. */
export async function finish(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}

export const button = (page, name) => page.getByRole("button", { name, exact: true });

export const number = (text) => Number(text.replaceAll(/[^\d.]/g, ""));

/** The legend's total of a series. */
export const legend = async (page, label) => number(await page.locator(".legend li").filter({ hasText: new RegExp(`^${label}`) }).first().locator("strong").innerText());

export const reads = (page, label, wanted) => until(async () => (await legend(page, label)) === wanted, `${label} is ${wanted}`);

/** The cells of a table's row by the heads of its columns. */
export async function cells(table, name) {
  const heads = await table.getByRole("columnheader").allTextContents();
  const texts = await table.getByRole("row", { name }).first().locator("td").allInnerTexts();
  return Object.fromEntries(heads.map((head, index) => [head, texts[index].replaceAll(/\s+/g, " ").trim()]));
}

export const sum = (groups, member) => groups.reduce((all, group) => all + group[member], 0);

export const connectionMetrics = async (world, query) => (await world.program.api(`/connectivity/metrics?${query}`)).groups;
export const workerMetrics = async (world, query) => (await world.program.api(`/workers/metrics?${query}`)).groups;

/** Nothing on the page is still being loaded. */
export const loaded = (page, words = page.url()) => until(async () => (await page.locator(".skeleton").count()) === 0, `${words} is loaded`);

/** Nothing serious for axe, and no sideways scrolling. */
export async function inspect(page, words) {
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(sideways, 0, `${words} scrolls sideways by ${sideways} px`);
  // Not as a script element: the policy would refuse it, as it should.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`), [], words);
}
