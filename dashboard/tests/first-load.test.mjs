// What a browser loads first: how much, from where, and nothing inline.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { openPage, setUp, signIn, skip } from "./harness.mjs";

const world = setUp();

test("index.html has nothing inline", () => {
  const html = readFileSync(new URL("../dist/index.html", import.meta.url), "utf8");
  for (const [element, attributes] of html.matchAll(/<script([^>]*)>/g)) assert.match(attributes, /\ssrc="\//, element);
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=/);
});

test("sign-in and overview take less than 300 KB compressed, all from the server itself", { skip }, async () => {
  const page = await openPage(world);
  const loaded = new Map();
  page.on("response", (response) => {
    if (!response.url().includes("/client/v4/")) loaded.set(response.url(), response.body());
  });
  await signIn(world, page);
  await page.getByRole("heading", { name: "Failures now" }).waitFor();
  await page.waitForLoadState("networkidle");
  let size = 0;
  for (const [url, body] of loaded) {
    assert.ok(url.startsWith(world.mock.url), `${url} is outside`);
    size += gzipSync(await body).length;
  }
  assert.ok(loaded.size > 3);
  assert.ok(size < 300 * 1024, `${size} bytes`);
  console.log(`first load: ${(size / 1024).toFixed(0)} KB compressed, ${loaded.size} files`);
  assert.deepEqual(page.complaints, []);
});
