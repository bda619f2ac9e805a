// Signing in and out, sessions that end, and what a token may see.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, setUp, signedIn, signIn, skip } from "./harness.mjs";

const world = setUp();

test("a wrong token is refused with the server's words", { skip }, async () => {
  const page = await openPage(world);
  await page.goto(world.mock.url);
  await page.getByLabel("API token").fill("cvt_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("The API token is not valid.").waitFor();
});

test("the token is kept nowhere a script can read", { skip }, async () => {
  const page = await signedIn(world);
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...window.sessionStorage, cookie: document.cookie }));
  assert.doesNotMatch(kept, /cvt_|culvert_session/);
  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
});

test("an expired session asks to sign in again and goes on at the same address", { skip }, async () => {
  const path = `/services/${world.mock.facts.services[0].service_id}?range=6h&category=Client`;
  const page = await signedIn(world, path);
  await page.getByRole("heading", { name: "inventory" }).waitFor();
  world.mock.sessions.clear();
  await page.getByText("Your session has ended.").waitFor();
  assert.equal(page.url(), world.mock.url + path);
  await page.getByLabel("API token").fill("cvt_admin");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "inventory" }).waitFor();
  assert.equal(page.url(), world.mock.url + path);
});

test("signing out ends the session on the server", { skip }, async () => {
  const page = await signedIn(world);
  const before = world.mock.sessions.size;
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API token").waitFor();
  assert.equal(world.mock.sessions.size, before - 1);
  await page.reload();
  await page.getByLabel("API token").waitFor();
});

test("a token that may only look is offered no changes", { skip }, async () => {
  const page = await openPage(world);
  await signIn(world, page, "/services", "cvt_looker");
  await page.getByRole("table", { name: "VPC Services" }).waitFor();
  assert.equal(await page.getByText("Create a VPC Service").count(), 0);
  await page.goto(`${world.mock.url}/access/tokens`);
  await page.getByText("Your token does not show this").waitFor();
  await page.goto(`${world.mock.url}/services/${world.mock.facts.services[0].service_id}/settings`);
  await page.getByText("Your token may look, not change.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Save" }).isDisabled());
});

test("a server that cannot be reached is said to be so, and what was read stays", { skip }, async () => {
  const page = await signedIn(world, "/tunnels");
  await page.getByRole("link", { name: "warehouse" }).waitFor();
  await page.route("**/cfd_tunnel**", (route) => route.abort());
  await page.getByText("The server cannot be reached.").waitFor();
  assert.ok(await page.getByRole("link", { name: "warehouse" }).isVisible());
  await page.unroute("**/cfd_tunnel**");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("The server cannot be reached.").waitFor({ state: "detached" });
});
