// Signing in and out, sessions that end, what a token may see, what a browser loads first, the keyboard, and a server in which there is nothing yet.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { choose, openPage, params, until } from "./harness.mjs";
import { button, cells, finish, setUp, signedIn, skip } from "./real.mjs";

describe("a new program", { skip, timeout: 1_800_000 }, () => {
  const world = setUp();

  test("a wrong token is refused in the server's words, and nothing is shown", async () => {
    const page = await openPage(world);
    await page.goto(`${world.program.url}/services`);
    await page.getByLabel("API token").fill("cvt_wrong");
    await button(page, "Sign in").click();
    await page.getByRole("alert").getByText("The API token is not valid").waitFor();
    assert.equal(await page.locator("#navigation").count(), 0);
    await finish(page);
  });

  test("the files come compressed, under the policy, from nowhere else, and no more than 300 KB of them first", async () => {
    const page = await openPage(world);
    const requests = [];
    page.on("requestfinished", (request) => requests.push(request));
    await page.goto(world.program.url);
    await page.getByLabel("API token").fill(world.program.token);
    await button(page, "Sign in").click();
    await page.getByText("Nothing here yet").waitFor();
    await page.waitForLoadState("networkidle");
    let size = 0;
    for (const request of requests) {
      assert.ok(request.url().startsWith(`${world.program.url}/`), `${request.url()} is outside`);
      if (!request.url().includes("/client/v4/")) size += (await request.sizes()).responseBodySize;
    }
    console.log(`first load of the program's dashboard: ${(size / 1024).toFixed(0)} KB over the wire`);
    assert.ok(size > 50 * 1024 && size < 300 * 1024, `${size} bytes`);
    const answer = await fetch(`${world.program.url}/services/x/settings`, { headers: { accept: "text/html" } });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-security-policy"), /^default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(answer.headers.get("content-security-policy"), /unsafe/);
    const html = await answer.text();
    for (const [element, attributes] of html.matchAll(/<script([^>]*)>/g)) assert.match(attributes, /\ssrc="\//, element);
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=/);
    assert.equal((await fetch(`${world.program.url}/assets/none.js`)).status, 404);
    await finish(page);
  });

  test("every list says what to do first", async () => {
    const page = await signedIn(world, "/");
    await page.getByText("Nothing here yet").waitFor();
    await page.getByRole("link", { name: "Create a tunnel" }).waitFor();
    for (const [path, words] of [["/services", "No VPC Services yet"], ["/tunnels", "No tunnels yet"], ["/workers", "No Workers yet"]]) {
      await page.goto(world.program.url + path);
      await page.getByRole("heading", { name: words }).waitFor();
    }
    assert.match(await page.locator('pre[aria-label="commands"]').innerText(), new RegExp(`CLOUDFLARE_API_BASE_URL=${world.program.url}/client/v4`));
    await finish(page);
  });

  test("the token is kept nowhere a script can read, and signing out ends the session on the server", async () => {
    const page = await signedIn(world, "/");
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...window.sessionStorage, cookie: document.cookie }));
    assert.doesNotMatch(kept, /cvt_|culvert_session/);
    const [cookie] = (await page.context().cookies(`${world.program.url}/client/v4/`)).filter(({ name }) => name === "culvert_session");
    assert.equal(cookie.httpOnly, true);
    await page.reload();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    const session = () => fetch(`${world.program.url}/client/v4/session`, { headers: { cookie: `culvert_session=${cookie.value}` } });
    assert.equal((await session()).status, 200);
    await button(page, "Sign out").click();
    await page.getByLabel("API token").waitFor();
    assert.equal((await session()).status, 401);
    await page.reload();
    await page.getByLabel("API token").waitFor();
    await finish(page);
  });

  test("a session that expires asks to sign in again, and goes on at the same address", async () => {
    const page = await openPage(world);
    const path = "/errors?q=certificate&category=Bad+Upstream";
    await page.goto(world.program.url + path);
    const field = page.getByLabel("API token");
    await field.waitFor();
    // As long as this machine needs to sign in before it is over.
    for (let seconds = 4, seen = false; !seen; seconds *= 2) {
      const expires = new Date(Date.now() + seconds * 1_000).toISOString();
      const { value } = await world.program.api("/tokens", { method: "POST", body: { name: `for ${seconds} s`, permissions: ["connectivity-directory.read", "cloudflare-tunnel.read"], expires_on: expires } });
      await field.fill(value);
      const answered = page.waitForResponse((response) => response.request().method() === "POST" && response.url().endsWith("/session"));
      await button(page, "Sign in").click();
      if ((await answered).status() !== 200) continue;
      const [heading, ended] = [page.getByRole("heading", { name: "Connection errors" }), page.getByText("Your session has ended.")];
      await heading.or(ended).first().waitFor();
      seen = await heading.isVisible();
      await ended.waitFor();
    }
    assert.equal(page.url(), world.program.url + path);
    await field.fill(world.program.token);
    await button(page, "Sign in").click();
    await page.getByRole("heading", { name: "Connection errors" }).waitFor();
    assert.equal(page.url(), world.program.url + path);
    await finish(page);
  });

  test("a server that cannot be reached is said to be so, and what was read stays", async () => {
    await world.program.api("/cfd_tunnel", { method: "POST", body: { name: "attic", config_src: "cloudflare" } });
    const page = await signedIn(world, "/tunnels");
    await page.getByRole("link", { name: "attic" }).waitFor();
    await page.context().setOffline(true);
    await page.getByText("The server cannot be reached.").waitFor();
    await button(page, "Try again").waitFor();
    assert.ok(await page.getByRole("link", { name: "attic" }).isVisible());
    await page.context().setOffline(false);
    await page.getByText("The server cannot be reached.").waitFor({ state: "detached" });
    await finish(page);
  });

  test("a server that does not answer at first is waited for", async () => {
    const page = await openPage(world);
    const refuse = (route) => route.abort();
    await page.route("**/client/v4/**", refuse);
    await page.goto(`${world.program.url}/tunnels`);
    await page.getByRole("heading", { name: "Culvert does not answer" }).waitFor();
    await page.getByText("The server cannot be reached.").waitFor();
    await page.unroute("**/client/v4/**", refuse);
    await page.getByLabel("API token").waitFor();
    assert.equal(page.url(), `${world.program.url}/tunnels`);
    await finish(page);
  });

  test("the reference has all codes, is searched and filtered by its address, and has one address per code", async () => {
    const page = await signedIn(world, "/errors");
    const rows = page.locator("tbody tr");
    await rows.first().waitFor();
    const reference = (await (await fetch(`${world.program.url}/client/v4/connection-errors`, { headers: { authorization: `Bearer ${world.program.token}` } })).json()).result;
    assert.equal(await rows.count(), reference.length);
    const shows = (count) => until(async () => (await rows.count()) === count, `${count} rows`);
    const saying = (words) => reference.filter((row) => [row.meaning, row.fix, ...row.causes].join(" ").toLowerCase().includes(words)).length;
    await page.getByLabel("Search").fill("nxdomain");
    await shows(saying("nxdomain"));
    assert.equal(params(page).get("q"), "nxdomain");
    // By what brings it about, too.
    const cause = reference.at(-1).causes[0];
    await page.getByLabel("Search").fill(cause.toLowerCase());
    await until(async () => (await rows.count()) < reference.length && (await rows.getByText(cause.split("`")[0]).count()) > 0, "the one with the cause");
    await page.goto(`${world.program.url}/errors`);
    await choose(page, "Category", "Client");
    await shows(reference.filter(({ category }) => category === "Client").length);
    assert.equal(params(page).get("category"), "Client");
    await choose(page, "Phase", "dns");
    await shows(reference.filter(({ category, phases }) => category === "Client" && phases.includes("dns")).length);
    await page.reload();
    await shows(1);
    await page.getByRole("link", { name: "dns_error" }).click();
    assert.equal(new URL(page.url()).pathname, "/errors/dns_error");
    for (const category of ["Bad Upstream", "Client"]) {
      const row = reference.find((each) => each.code === "dns_error" && each.category === category);
      await page.getByRole("region", { name: `As a ${category} failure` }).getByText(row.meaning.split("`")[0]).waitFor();
      for (const cause of row.causes) await page.getByRole("region", { name: `As a ${category} failure` }).getByRole("listitem").filter({ hasText: cause.split("`")[0] }).waitFor();
    }
    // Away from it, and back.
    await page.getByRole("link", { name: "Connection errors" }).click();
    await shows(reference.length);
    await page.goBack();
    await page.getByRole("heading", { name: "dns_error" }).waitFor();
    await page.goto(`${world.program.url}/errors/no_such_code`);
    await page.getByText("There is no such code").waitFor();
    await finish(page);
  });

  test("everything is reached by the keyboard, and the focus follows the page", async () => {
    const page = await signedIn(world, "/");
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to the content");
    const tabTo = async (text) => {
      for (let presses = 0; presses < 40; presses += 1) {
        if (await page.evaluate((wanted) => document.activeElement?.textContent === wanted || document.activeElement?.getAttribute("aria-label") === wanted, text)) return;
        await page.keyboard.press("Tab");
      }
      throw new Error(`the keyboard does not come to ${text}`);
    };
    await tabTo("Access");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Access" }).waitFor();
    await until(() => page.evaluate(() => document.activeElement?.tagName === "H1"), "the focus on the head of the new page");
    assert.equal(await page.title(), "Access · Culvert");
    // A dialog takes the focus, keeps it, and gives it back.
    await tabTo("Create a token");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    for (let presses = 0; presses < 30; presses += 1) await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null), "the focus stays in the dialog");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await until(() => page.evaluate(() => document.activeElement?.textContent === "Create a token"), "the focus is back");
    await finish(page);
  });

  test("a dialog is in the address: the way back closes it, closing it goes back, and a link opens it", async () => {
    const page = await signedIn(world, "/errors");
    const dialog = page.getByRole("dialog", { name: "Create an API token" });
    await page.getByRole("link", { name: "Access", exact: true }).click();
    await button(page, "Create a token").click();
    await dialog.waitFor();
    assert.equal(params(page).get("dialog"), "create-token");
    await page.goBack();
    await dialog.waitFor({ state: "detached" });
    assert.equal(new URL(page.url()).pathname, "/access/tokens");
    await page.goForward();
    await dialog.waitFor();
    await page.reload();
    await dialog.waitFor();
    // Closing leaves nothing behind: the next way back leads to the page before.
    await button(page, "Cancel").click();
    await until(() => !params(page).has("dialog"), "the address without it");
    await dialog.waitFor({ state: "detached" });
    await page.goBack();
    await until(() => new URL(page.url()).pathname === "/errors", "the page before");
    // Opened by a link there is nothing to go back to, and the page stays.
    const token = (await world.program.api("/tokens")).find(({ status }) => status === "active");
    await page.goto(`${world.program.url}/access/tokens?dialog=revoke-token&of=${token.id}`);
    await page.getByRole("dialog", { name: `Revoke ${token.name}?` }).waitFor();
    await page.keyboard.press("Escape");
    await until(() => page.url() === `${world.program.url}/access/tokens`, "the page without it");
    assert.equal((await world.program.api("/tokens")).find(({ id }) => id === token.id).status, "active");
    // What is not there is not asked about.
    await page.goto(`${world.program.url}/access/tokens?dialog=revoke-token&of=none`);
    await page.getByRole("row", { name: new RegExp(`^${token.name}`) }).waitFor();
    assert.equal(await page.getByRole("dialog").count(), 0);
    await finish(page);
  });

  test("a time in a sentence of the server is in the reader's zone, and in UTC on hover", async () => {
    const page = await openPage(world);
    const expires = new Date(Date.now() + 1_000);
    const { value } = await world.program.api("/tokens", { method: "POST", body: { name: "short", permissions: ["workers-scripts.read"], expires_on: expires.toISOString() } });
    const status = async () => (await fetch(`${world.program.url}/client/v4/accounts/local/workers/scripts`, { headers: { authorization: `Bearer ${value}` } })).status;
    await until(async () => (await status()) === 401, "it has expired");
    await page.goto(world.program.url);
    await page.getByLabel("API token").fill(value);
    await button(page, "Sign in").click();
    const alert = page.getByRole("alert").filter({ hasText: "The API token expired at" });
    const time = alert.locator("time");
    assert.equal(await time.getAttribute("title"), expires.toISOString().replace("T", " ").replace("Z", " UTC"));
    const vienna = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Vienna", dateStyle: "medium", timeStyle: "long" }).format(expires);
    assert.ok((await alert.innerText()).includes(`The API token expired at ${vienna}. Make a new one.`), await alert.innerText());
    await finish(page);
  });

  test("times are in the reader's zone, and in UTC on hover", async () => {
    const page = await signedIn(world, "/access/audit");
    const time = page.locator("time").first();
    await time.waitFor();
    const at = new Date(await time.getAttribute("datetime"));
    assert.equal(await time.getAttribute("title"), at.toISOString().replace("T", " ").replace("Z", " UTC"));
    const vienna = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Vienna", hour: "2-digit", minute: "2-digit" }).format(at);
    assert.ok((await time.innerText()).includes(vienna), `${await time.innerText()} has ${vienna}`);
    await finish(page);
  });

  test("a page whose files are gone says so, and others are shown", async () => {
    const page = await signedIn(world, "/");
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    // As after the program was replaced by one of another version.
    await page.route("**/assets/workers-*.js", (route) => route.fulfill({ status: 404 }));
    await page.getByRole("link", { name: "Workers", exact: true }).click();
    await page.getByRole("heading", { name: "This page cannot be shown" }).waitFor();
    await page.getByRole("link", { name: "Tunnels", exact: true }).click();
    await page.getByRole("heading", { name: "Tunnels", exact: true }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "This page cannot be shown" }).waitFor();
    await page.unroute("**/assets/workers-*.js");
    await button(page, "Load it again").click();
    await page.getByRole("heading", { name: "Workers", exact: true }).waitFor();
    assert.ok(page.complaints.length > 0 && page.complaints.every((words) => /dynamically imported module/.test(words)), page.complaints.join("\n"));
    page.complaints.length = 0;
    await finish(page);
  });

  test("the theme is the reader's, or the system's", async () => {
    const page = await signedIn(world, "/", { colorScheme: "dark" });
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await background();
    await choose(page, "Theme", "Light");
    const light = await background();
    assert.notEqual(light, dark);
    await page.reload();
    await page.locator("#navigation").waitFor();
    assert.equal(await background(), light);
    await choose(page, "Theme", "System");
    assert.equal(await background(), dark);
    await finish(page);
  });

  test("the menu of a narrow screen opens, closes with Escape, and leads on", async () => {
    const page = await signedIn(world, "/", { width: 360, height: 700 });
    const menu = page.getByRole("button", { name: "Menu" });
    const link = page.getByRole("link", { name: "Workers", exact: true });
    await menu.click();
    await link.waitFor();
    await page.keyboard.press("Escape");
    await link.waitFor({ state: "hidden" });
    await menu.click();
    await link.click();
    await page.getByRole("heading", { name: "Workers", exact: true }).waitFor();
    await page.getByRole("navigation", { name: "Main" }).waitFor({ state: "hidden" });
    await finish(page);
  });

  test("a token is made on a page, shown once, and what it may not do is not offered; revoking it ends its session", async () => {
    const page = await signedIn(world, "/access/tokens");
    await button(page, "Create a token").click();
    await button(page, "Create").click();
    await page.getByText("Choose at least one permission.").waitFor();
    await page.getByLabel("Name", { exact: true }).fill("looker");
    for (const name of ["Connectivity Directory Read", "Cloudflare Tunnel Read", "Workers Scripts Read"]) await page.getByText(name, { exact: true }).last().click();
    await button(page, "Create").click();
    const made = (await page.locator('pre[aria-label="token"]').innerText()).trim();
    await button(page, "Done").click();
    await page.getByRole("row", { name: /^looker/ }).getByText("Active").waitFor();
    assert.ok(!(await page.content()).includes(made));

    const looking = await signedIn(world, "/tunnels", { token: made });
    await looking.getByRole("link", { name: "attic" }).waitFor();
    assert.equal(await looking.getByText("Create a tunnel").count(), 0);
    await looking.getByRole("link", { name: "attic" }).click();
    await looking.getByRole("heading", { name: "Services behind it" }).waitFor();
    assert.equal(await button(looking, "Delete this tunnel").count(), 0);
    await looking.goto(`${world.program.url}/services`);
    await looking.getByText("No VPC Services yet").waitFor();
    assert.equal(await looking.getByText("Create a VPC Service").count(), 0);
    await looking.goto(`${world.program.url}/access/tokens`);
    await looking.getByText("Your token does not show this").waitFor();
    await looking.goto(`${world.program.url}/tunnels`);
    await looking.getByRole("link", { name: "attic" }).waitFor();

    await button(page, "Revoke looker").click();
    await button(page, "Revoke").click();
    await page.getByText("Revoked looker.").waitFor();
    await looking.getByText("Your session has ended.").waitFor();
    await finish(looking);
    assert.equal((await cells(page.getByRole("table", { name: "API tokens" }), /^looker/)).State, "Revoked");
    await finish(page);
  });

  test("the log of changes has what was done, by whom, before and after", async () => {
    const page = await signedIn(world, "/access/audit");
    await choose(page, "What", "token");
    assert.equal(params(page).get("resource"), "token");
    await until(async () => (await page.locator(".event-head").allInnerTexts()).every((text) => text.includes("token")), "only tokens");
    const logged = await world.program.api("/audit_logs?resource=token&limit=50");
    assert.equal(await page.locator(".event").count(), logged.length);
    await page.locator(".event-head", { hasText: "looker" }).last().click();
    await page.locator(".event-body").getByText('"name": "looker"').first().waitFor();
    await page.locator(".event-body").getByText("by admin").waitFor();
    await page.goto(`${world.program.url}/access/audit?resource=tunnel`);
    await page.locator(".event-head", { hasText: "attic" }).waitFor();
    await finish(page);
  });

  test("older pages of a list are in its address, and an opened entry is found however old it is", async () => {
    const { api, url } = world.program;
    for (let number = 0; number < 55; number += 1) await api("/cfd_tunnel", { method: "POST", body: { name: `pit-${number}`, config_src: "cloudflare" } });
    const all = (await api("/audit_logs?resource=tunnel&limit=1000")).length;
    const page = await signedIn(world, "/access/audit?resource=tunnel");
    const entries = page.locator(".event");
    const shows = (count) => until(async () => (await entries.count()) === count, `${count} entries`);
    await shows(50);
    await button(page, "Older ones").click();
    await shows(all);
    assert.equal(params(page).get("pages"), "2");
    await page.reload();
    await shows(all);
    await button(page, "Older ones").waitFor({ state: "detached" });
    await page.locator(".event-head").last().click();
    const entry = params(page).get("entry");
    await page.goto(`${url}/access/audit?resource=tunnel&entry=${entry}`);
    await page.locator(`#entry-${entry}`).waitFor();
    // Another filter begins with its newest again.
    await choose(page, "What", "Everything");
    await shows(50);
    assert.equal(new URL(page.url()).search, "");
    await finish(page);
  });
});
