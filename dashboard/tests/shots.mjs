// `npm run shots -- DIR [FILTER [FORM]]`: pictures of every page of the real program, with real traffic and real faults, in light and dark,
// wide and at 360 px, to be looked at; with FILTER those whose name has it, with FORM only `light`, `dark`, `light-360` or `dark-360`.
// `npm run world` only starts the world, says where it is, and lets requests come until it is stopped; with CULVERT_API and
// CULVERT_API_TOKEN of such a world (or DASHBOARD, where `npm run dev` serves another build of the dashboard before it) the pictures are of that
// one.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pages } from "./addresses.mjs";
import { launch, openPage, signIn, until } from "./harness.mjs";
import { startWorld } from "./world.mjs";

const [directory, filter = "", only] = process.argv.slice(2);
const { CULVERT_API, CULVERT_API_TOKEN, DASHBOARD } = process.env;

async function take(world) {
  mkdirSync(directory, { recursive: true });
  const browser = await launch();
  for (const [form, colorScheme, width, height] of [["light", "light", 1280, 860], ["dark", "dark", 1280, 860], ["light-360", "light", 360, 740], ["dark-360", "dark", 360, 740]]) {
    if (only !== undefined && only !== form) continue;
    const page = await openPage({ browser }, { colorScheme, width, height });
    const url = DASHBOARD ?? world.url;
    await page.goto(url);
    await page.getByLabel("API token").fill("cvt_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    if ("sign-in".includes(filter)) await page.screenshot({ path: join(directory, `sign-in.${form}.png`) });
    await signIn(page, url, "/", world.token);
    for (const [name, [path, act]] of Object.entries(await pages(world.api))) {
      if (!name.includes(filter)) continue;
      try {
        await page.goto(url + path);
        await page.locator("h1").first().waitFor();
        await until(async () => (await page.locator(".skeleton").count()) === 0, "it is loaded");
        await act?.(page);
        await until(async () => (await page.locator(".skeleton").count()) === 0, "it is loaded");
        // The bars at the side stand where a page is scrolled to.
        await page.evaluate(() => window.scrollTo(0, 0));
        await page.screenshot({ path: join(directory, `${name}.${form}.png`), fullPage: true, animations: "disabled" });
      } catch (error) {
        console.error(`${name} (${form}): ${error.message.split("\n")[0]}`);
        await page.screenshot({ path: join(directory, `${name}.${form}.png`), fullPage: true });
      }
    }
    for (const complaint of page.complaints) console.error(`${form}: ${complaint}`);
    await page.context().close();
  }
  await browser.close();
}

const account = (url, token) => async (path) => {
  const answer = await (await fetch(`${url}/client/v4/accounts/local${path}`, { headers: { authorization: `Bearer ${token}` } })).json();
  if (!answer.success) throw new Error(`${path}: ${JSON.stringify(answer.errors)}`);
  return answer.result;
};

if (directory !== undefined && CULVERT_API !== undefined && CULVERT_API_TOKEN !== undefined) {
  await take({ url: CULVERT_API, token: CULVERT_API_TOKEN, api: account(CULVERT_API, CULVERT_API_TOKEN) });
} else {
  const world = await startWorld();
  try {
    await world.traffic(6);
    await world.excess();
    if (directory === undefined) {
      console.log(`export CULVERT_API=${world.program.url} CULVERT_API_TOKEN=${world.program.token}`);
      const stopped = new Promise((resolve) => { process.once("SIGINT", resolve); process.once("SIGTERM", resolve); });
      for (let going = true; going;) {
        going = await Promise.race([stopped.then(() => false), new Promise((resolve) => { setTimeout(() => resolve(true), 10_000); })]);
        if (going) await world.traffic();
      }
    } else await take({ url: world.program.url, token: world.program.token, api: world.program.api });
  } finally {
    await world.close();
  }
}
