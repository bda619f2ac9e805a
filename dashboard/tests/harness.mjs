// A browser for tests, and what is done in all of them. Without Chromium the tests say so and pass.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const EXECUTABLE = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path !== undefined && existsSync(path));

/** Why there is no browser, if there is none. */
export const noBrowser = EXECUTABLE === undefined ? "no Chromium: apt-get install chromium, or set CHROMIUM to its path" : false;

/** The browser. */
export const launch = () => chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });

/** As root Chromium has no sandbox; and nothing of it calls its maker. */
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/**
 * A page whose complaints are kept in `page.complaints`: errors, whatever the Content-Security-Policy refused, and, where the world
 * has `answers`, answers of the API that are not as its document says.
 */
export async function openPage(world, { width = 1280, height = 900, colorScheme = "light" } = {}) {
  const context = await world.browser.newContext({ viewport: { width, height }, colorScheme, timezoneId: "Europe/Vienna", locale: "en-GB" });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("console", (message) => {
    // Calls that are refused on purpose are told of in the console too.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) page.complaints.push(message.text());
  });
  if (world.answers !== undefined) {
    page.on("response", (response) => {
      const { pathname } = new URL(response.url());
      if (!pathname.startsWith("/client/v4/")) return;
      response.json().then((answer) => {
        const wrong = world.answers(response.request().method(), pathname, response.status(), answer);
        if (wrong !== null) page.complaints.push(wrong);
      }, () => undefined);
    });
  }
  return page;
}

/** Signs in at an address. */
export async function signIn(page, url, path, token) {
  await page.goto(url + path);
  await page.getByLabel("API token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#navigation").waitFor({ state: "attached" });
}

/** Chooses in one of the dashboard's selects. */
export async function choose(page, label, option) {
  await page.getByRole("button", { name: new RegExp(`${label}$`) }).first().click();
  await page.getByRole("option", { name: option, exact: true }).click();
}

export const params = (page) => new URL(page.url()).searchParams;

/** Waits until something holds; says what it was when it does not. */
export async function until(check, words, limit = 120_000) {
  const end = Date.now() + limit;
  let last;
  while (Date.now() < end) {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  throw new Error(`not within ${limit} ms: ${words} (last: ${String(last)})`);
}
