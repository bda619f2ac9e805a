// Tunnels, the reference of errors, access, the keyboard, and a server without anything in it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { params, setUp, signedIn, skip, until } from "./harness.mjs";

describe("with facts", () => {
  const world = setUp();

  test("a tunnel is created with the exact commands, and its state follows", { skip }, async () => {
    const page = await signedIn(world, "/tunnels/new");
    await page.getByLabel("Tunnel name").fill("warehouse");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByText('A tunnel named "warehouse" exists already.').waitFor();
    await page.getByLabel("Tunnel name").fill("attic");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    const command = page.locator('pre[aria-label="culvert command"]');
    await command.waitFor();
    const tunnel = world.mock.facts.tunnels.find((each) => each.name === "attic");
    const text = await command.innerText();
    const token = /--token (\S+)/.exec(text)[1];
    assert.equal(JSON.parse(Buffer.from(token, "base64").toString()).t, tunnel.id);
    assert.match(text, /^culvert connect --edge edge\.example\.com:7844 --ca tunnel-ca\.pem/);
    assert.match(await page.locator('pre[aria-label="cloudflared command"]').innerText(), /^cloudflared tunnel .*--edge edge\.example\.com:7844 --cacert tunnel-ca\.pem --protocol quic run/);
    await page.getByRole("button", { name: "Copy culvert command" }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text);
    await page.getByText("Waiting for a connector").waitFor();
    tunnel.connectors = structuredClone(world.mock.facts.tunnels[0].connectors);
    await page.getByText("Connected", { exact: true }).waitFor();
  });

  test("rotating shows the new token; deleting is refused while services use the tunnel", { skip }, async () => {
    const tunnel = world.mock.facts.tunnels.find((each) => each.name === "finance");
    const page = await signedIn(world, `/tunnels/${tunnel.id}`);
    await page.getByText("cannot carry DNS").waitFor();
    const secret = tunnel.secret;
    await page.getByRole("button", { name: "Rotate the token" }).click();
    await page.getByRole("button", { name: "Rotate", exact: true }).click();
    await page.getByText("The old token no longer works.").waitFor();
    assert.notEqual(tunnel.secret, secret);
    await page.getByText(/culvert connect/).first().waitFor();
    await page.getByRole("button", { name: "Delete this tunnel" }).click();
    await page.getByLabel("Type finance to confirm").fill("finance");
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByText('is used by VPC Service "billing"').waitFor();
  });

  test("the reference of errors is searched, has an address per code, and both rows of dns_error", { skip }, async () => {
    const page = await signedIn(world, "/errors");
    await page.getByLabel("Search").fill("nxdomain");
    await until(async () => (await page.getByRole("row").count()) === 2, "one row and its head");
    assert.equal(params(page).get("q"), "nxdomain");
    await page.getByRole("link", { name: "dns_error" }).click();
    await page.getByRole("heading", { name: "dns_error" }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/errors/dns_error");
    await page.getByRole("heading", { name: "As a Bad Upstream failure" }).waitFor();
    await page.getByRole("heading", { name: "As a Client failure" }).waitFor();
    await page.getByRole("link", { name: "inventory" }).waitFor();
    await page.goto(`${world.mock.url}/errors`);
    await page.getByRole("heading", { name: "Bad Upstream" }).waitFor();
    assert.equal(await page.getByRole("rowheader").count(), 23);
  });

  test("a token is shown once, and revoking it ends its sessions", { skip }, async () => {
    const page = await signedIn(world, "/access/tokens");
    await page.getByRole("button", { name: "Create a token" }).click();
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByText("Choose at least one permission.").waitFor();
    await page.getByLabel("Name").fill("ci");
    await page.getByText("Workers Scripts Edit").click();
    await page.getByRole("button", { name: "Create", exact: true }).click();
    const value = await page.locator('pre[aria-label="token"]').innerText();
    await page.getByRole("button", { name: "Done" }).click();
    assert.equal(await page.getByText(value).count(), 0);
    const other = await signedIn(world, "/workers", { token: value });
    await page.getByRole("button", { name: "Revoke ci" }).click();
    await page.getByRole("button", { name: "Revoke", exact: true }).click();
    await page.getByText("Revoked ci.").waitFor();
    await other.getByText("Your session has ended.").waitFor();
    await page.goto(`${world.mock.url}/access/audit?resource=token`);
    await page.locator(".event-head").first().click();
    await page.getByText('"name": "ci"').waitFor();
  });

  test("everything is reached by the keyboard, and the focus follows the page", { skip }, async () => {
    const page = await signedIn(world, "/");
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to the content");
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(() => document.activeElement?.textContent === "Tunnels")) break;
    }
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Tunnels" }).waitFor();
    await until(() => page.evaluate(() => document.activeElement?.tagName === "H1"), "the focus on the head of the new page");
    assert.equal(await page.title(), "Tunnels · Culvert");
  });

  test("dates are in the reader's zone, and in UTC on hover", { skip }, async () => {
    const page = await signedIn(world, `/services/${world.mock.facts.services[0].service_id}/settings`);
    const time = page.locator("time").first();
    const at = new Date(world.mock.facts.services[0].created_at);
    assert.equal(await time.getAttribute("title"), at.toISOString().replace("T", " ").replace("Z", " UTC"));
    const vienna = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Vienna", hour: "2-digit", minute: "2-digit" }).format(at);
    assert.ok((await time.innerText()).includes(vienna), `${await time.innerText()} has ${vienna}`);
  });

  test("the menu of a narrow screen opens, closes with Escape, and leads on", { skip }, async () => {
    const page = await signedIn(world, "/", { width: 360, height: 700 });
    const menu = page.getByRole("button", { name: "Menu" });
    await menu.click();
    await page.getByRole("link", { name: "Workers", exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "Workers", exact: true }).waitFor({ state: "hidden" });
    await menu.click();
    await page.getByRole("link", { name: "Workers", exact: true }).click();
    await page.getByRole("heading", { name: "Workers" }).waitFor();
    await page.getByRole("navigation", { name: "Main" }).waitFor({ state: "hidden" });
  });
});

describe("empty", () => {
  const world = setUp({ empty: true });

  test("every list says what to do first", { skip }, async () => {
    const page = await signedIn(world, "/");
    await page.getByText("Nothing here yet").waitFor();
    for (const [path, words] of [["/services", "No VPC Services yet"], ["/tunnels", "No tunnels yet"], ["/workers", "No Workers yet"]]) {
      await page.goto(world.mock.url + path);
      await page.getByRole("heading", { name: words }).waitFor();
    }
    assert.match(await page.locator('pre[aria-label="commands"]').innerText(), new RegExp(`CLOUDFLARE_API_BASE_URL=${world.mock.url}/client/v4`));
    assert.deepEqual(page.complaints, []);
  });
});
