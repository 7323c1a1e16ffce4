// Blobs of one's own, and files that are none.

import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { bars, blob, breakSensor, hold, open, says, shown, start, text, visit } from "./browser.mjs";

const { EXPECTED } = process.env;
const int8 = readFileSync("models/classic.int8.blob");

let server;

before(async () => (server = await start()));
after(async () => server?.stop());

const use = (name, steps, options) => test(name, () => visit(server, steps, options));

use("a blob of any network can be opened", async (page) => {
  for (const [name, network, code] of [
    ["odd", /7 → 3 → 7/, 3],
    ["wide", /640 → 8 → 640/, 8],
  ]) {
    await open(page, `${name}.blob`, blob(name));
    await says(page, "facts", network);
    assert.equal((await shown(page)).code.length, code);
    assert.equal(await page.evaluate(() => document.getElementById("blob").selectedOptions[0].text), `${name}.blob`);
    await says(page, "verdict", /This blob has no thresholds/);
    await page.click("#learn");
    await says(page, "learned", /^(Learned|Undone)/);
  }
  // So many inputs that they fill no rectangle, and no canvas is as wide.
  await open(page, "prime.blob", blob("prime"));
  await says(page, "facts", /32,771 → 4 → 32,771/);
  const [width, height, seen] = await page.evaluate(() => {
    const canvas = document.getElementById("sensor");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [canvas.width, canvas.height, data.filter((value, i) => i % 4 === 0 && value > 0).length];
  });
  assert.ok(width * height >= 32_771 && width < 200 && height < 200 && seen > 1000);
});

use("half a network has no scores, and nothing of the network before it stays", async (page) => {
  await breakSensor(page);
  for (const name of ["encoder", "decoder"]) {
    await open(page, `${name}.blob`, blob(name));
    await says(page, "error", /half a network/);
    await says(page, "verdict", /^No scores: the network on this device has only its other half\.$/);
    await says(page, "gauge", /No score$/);
    assert.deepEqual(await bars(page, "vote"), [0, 0, 0]);
    assert.ok(await page.isHidden("#gauge .band"));
    assert.ok(await page.isHidden("#gauge .high"));
    await page.locator("#strip i").nth(3).click();
    await page.keyboard.press("ArrowUp");
    await page.click("#learn");
    await says(page, "learned", /only its other half/);
    assert.equal(await text(page, "learn"), "Learn");
  }
  await page.selectOption("#blob", "int8");
  await says(page, "facts", /478,517/);
  await says(page, "verdict", /The sensor has changed: 32/);
});

use("a file of any name is one's own network, and can be chosen again", async (page) => {
  for (const name of ["int8", "constructor", "own"]) {
    await open(page, name, blob("odd"));
    await says(page, "facts", /7 → 3 → 7.*to learn, whatever the network/);
    await page.selectOption("#blob", "int4");
    await says(page, "facts", /245,045.*instructions a digit/);
    await page.selectOption("#blob", "file");
    await says(page, "facts", /7 → 3 → 7/);
    assert.equal(await page.locator("#blob option").count(), 4);
    assert.ok(await page.isHidden("#message"));
  }
});

test("the last choice wins, whichever comes first", async () => {
  let release;
  const prepare = async (page) => (release = await hold(page, "classic.int4.blob"));
  const steps = async (page) => {
    await page.selectOption("#blob", "int4");
    await open(page, "wide.blob", blob("wide"));
    await says(page, "facts", /640 → 8 → 640/);
    await release();
    await says(page, "facts", /640 → 8 → 640/);
    assert.equal(await page.inputValue("#blob"), "file");
  };
  await visit(server, steps, { prepare });
});

use("a file that is not a blob is refused with the reason", async (page) => {
  const damaged = Buffer.from(int8);
  damaged[300_000] ^= 1;
  const version = Buffer.from(int8);
  version[4] = 9;
  const first = await shown(page);
  const watch = readFileSync("models/watch.int8.blob");
  for (const [name, bytes, reason] of [
    ["damaged.blob", damaged, /damaged\.blob: blob damaged: its CRC is [0-9a-f]{8}, its bytes give [0-9a-f]{8}\./],
    ["short.blob", int8.subarray(0, 1000), /short\.blob: blob truncated: 1000 bytes of 478517\./],
    ["empty.blob", Buffer.alloc(0), /empty\.blob: 0 bytes: too short for a weights blob\./],
    ["text", Buffer.from("a"), /text: 1 byte: too short for a weights blob\./],
    ["cut.blob", int8.subarray(0, 8), /cut\.blob: 8 bytes: too short for a weights blob\./],
    ["cut.blob", int8.subarray(0, 9), /cut\.blob: blob truncated: 9 bytes of 478517\./],
    ["erased.bin", Buffer.alloc(100, 0xff), /erased\.bin: no weights: the blob is empty\./],
    ["watch.blob", watch, /watch\.blob: its network takes the samples of a sensor, not images\./],
    ["picture.png", readFileSync("docs/decoded.png"), /picture\.png: not a weights blob\./],
    ["old.blob", version, /old\.blob: blob of format version 9, expected 4: export it again\./],
  ]) {
    await open(page, name, bytes);
    await says(page, "message", reason);
    assert.match(await text(page, "message"), /The device keeps its network\./);
    assert.deepEqual(await shown(page), first);
  }
  await page.click("#tab-motion"); // a message goes with what it is about
  assert.ok(await page.isHidden("#message"));
  await page.click("#tab-digits");
  const huge = `${EXPECTED}/huge.blob`;
  writeFileSync(huge, "");
  truncateSync(huge, 600 * 1024 * 1024);
  await page.setInputFiles("#file", huge);
  await says(page, "message", /huge\.blob: 629,145,600 bytes; a blob has at most 536,870,912 here\./);
  await page.selectOption("#blob", "int4");
  await says(page, "facts", /245,045/);
  assert.ok(await page.isHidden("#message"));
});

use(
  "each element of a long code can be reached and moved on a phone",
  async (page, context) => {
    await open(page, "long.blob", blob("long"));
    await says(page, "facts", /40 → 300 → 40/);
    await page.focus("#strip");
    await page.keyboard.press("End");
    const strip = await page.locator("#strip").boundingBox();
    const last = await page.locator("#strip i").last().boundingBox();
    assert.ok(last.x + last.width <= strip.x + strip.width + 1 && last.y + last.height <= strip.y + strip.height + 1);
    // A finger moves an element up and down, and scrolls from side to side.
    assert.equal(await page.evaluate(() => getComputedStyle(document.getElementById("strip")).touchAction), "pan-x");
    const { code } = await shown(page);
    const client = await context.newCDPSession(page);
    const [x, y] = [last.x + last.width / 2, last.y + last.height / 2];
    const touch = (type, touchPoints) => client.send("Input.dispatchTouchEvent", { type, touchPoints });
    await touch("touchStart", [{ x, y }]);
    for (let i = 1; i <= 10; i++) await touch("touchMove", [{ x, y: y - 20 * i }]);
    await touch("touchEnd", []);
    assert.deepEqual((await shown(page)).code, [...code.slice(0, -1), 255]);
    await open(page, "longer.blob", blob("longer"));
    await says(page, "code-bytes", /^3,000 bytes, of which 2,048 are shown$/);
  },
  { hasTouch: true, viewport: { width: 390, height: 844 } },
);
