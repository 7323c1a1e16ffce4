// The page in a browser when things go wrong: quick hands, a slow line, a storage that fails, two tabs, files that do not come.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { bars, breakSensor, flashes, hold, learnUntil, ready, says, shown, start, text, visit } from "./browser.mjs";

const { EXPECTED } = process.env;
const expected = JSON.parse(readFileSync(`${EXPECTED}/expected.json`));
const int8 = readFileSync("models/classic.int8.blob");

let server;

before(async () => (server = await start()));
after(async () => server?.stop());

const use = (name, steps, options) => test(name, () => visit(server, steps, options));

/** Stores what a device with 8-bit weights has learned, as if in another tab or an earlier visit. */
const store = (page) =>
  page.evaluate(
    ([key, flash]) => localStorage.setItem(key, flash),
    [
      `autoencoder flash ${int8.readUInt32LE(int8.length - 4).toString(16)}`,
      Buffer.from(expected.learned.flash, "hex").toString("base64"),
    ],
  );

/** Opens the page again with what was stored. */
async function learned(page) {
  await store(page);
  await page.reload();
  await ready(page);
  await says(page, "learned", /still in its flash\./);
}

// Hands

use("quick clicks harm nothing", async (page) => {
  for (const id of ["break", "repair", "more", "learn", "learn", "break", "more", "clear", "learn", "learn", "reset"]) {
    await page.evaluate((id) => document.getElementById(id).click(), id);
  }
  await says(page, "learned", /^It has learned nothing yet/);
  for (const choice of ["int4", "int8", "int4", "int8"]) await page.selectOption("#blob", choice);
  await says(page, "facts", /478,517/);
  await says(page, "verdict", /The sensor has changed: 32/);
  await page.waitForTimeout(300);
  await says(page, "learned", /^It has learned nothing yet/);
  assert.equal(await text(page, "learn"), "Learn");
  await page.click("#repair");
  await says(page, "verdict", /^All is well/);
});

for (const [how, stop, said] of [
  ["Stop", (page) => page.click("#learn"), /^Stopped: nothing of this run is kept\.$/],
  ["another network", (page) => page.selectOption("#blob", "int4"), /^It has learned nothing yet/],
]) {
  let release;
  const prepare = async (page) => (release = await hold(page, "learning.bin"));
  const steps = async (page) => {
    await page.click("#learn");
    await says(page, "learned", /^Preparing/);
    await stop(page);
    await says(page, "learned", said);
    await release();
    await says(page, "learned", said);
    assert.equal(await text(page, "learn"), "Learn");
    await page.click("#learn");
    await says(page, "learned", /^Digit/);
  };
  use(`${how} ends a run whose digits are still being loaded`, steps, { prepare });
}

test("nothing can be used before there is a device", async () => {
  let release;
  const steps = async (page) => {
    const { x, y } = await page.locator("#pad").boundingBox();
    await page.mouse.click(x + 50, y + 50);
    await page.click("#break", { force: true });
    await page.locator("#loading").waitFor({ state: "visible" });
    for (let i = 0; i < 4; i++) await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement.closest("#digits") === null));
    await release();
    await ready(page);
    assert.ok(await page.isHidden("#loading"));
    const { score, row } = await shown(page);
    assert.deepEqual([score, Buffer.from(row).toString("hex")], [expected.int8[0].score, expected.int8[0].row]);
  };
  await visit(server, steps, { isReady: false, prepare: async (page) => (release = await hold(page, "digits.bin")) });
});

use("a pointer that leaves the pad draws along its edge, and another finger draws nothing", async (page, context) => {
  const { x, y, width } = await page.locator("#pad").boundingBox();
  const draw = async (to) => {
    await page.click("#clear");
    await page.mouse.move(x + width * 0.3, y + width * 0.2);
    await page.mouse.down();
    await page.mouse.move(x + width * to, y + width * 0.2);
    await page.mouse.move(x + width * to, y + width * 0.8);
    await page.mouse.up();
    return (await shown(page)).sensor;
  };
  assert.deepEqual(await draw(2.4), await draw(1));

  const client = await context.newCDPSession(page);
  const touch = (type, ...points) =>
    client.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: points.map(([u, v], id) => ({ x: x + u * width, y: y + v * width, id })),
    });
  const line = async (...others) => {
    await page.click("#clear");
    await touch("touchStart", [0.5, 0.2]);
    if (others.length > 0) await touch("touchStart", [0.5, 0.2], ...others);
    for (let v = 0.3; v < 0.85; v += 0.1) await touch("touchMove", [0.5, v], ...others.map(([u]) => [u, v]));
    await touch("touchEnd");
    return (await shown(page)).sensor;
  };
  const alone = await line();
  assert.deepEqual(await line([0.9, 0.9]), alone);
  assert.ok(alone.some((pixel) => pixel > 200));
});

use("the keyboard keeps its place when a button disables itself", async (page) => {
  const focused = () => page.evaluate(() => document.activeElement.id);
  await page.click("#break");
  await page.focus("#repair");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "break");
  await page.focus("#strip");
  await page.keyboard.press("ArrowUp");
  await page.focus("#undo");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "strip");
});

// The storage

use("a reset that the browser does not store is reported, and the device has reset", async (page) => {
  const thresholds = () => page.textContent("#gauge .high");
  const first = await thresholds();
  await learned(page);
  await page.click("#break");
  await says(page, "verdict", /^All is well/);
  assert.notEqual(await thresholds(), first);
  await page.evaluate(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException("", "QuotaExceededError");
    };
  });
  await page.click("#reset");
  await says(page, "learned", /^It has forgotten what it learned, until the page is closed: .*QuotaExceededError/);
  await says(page, "verdict", /The sensor has changed: 32/);
  assert.equal(await thresholds(), first);
  await page.reload();
  await ready(page);
  await says(page, "learned", /still in its flash\./);
});

use(
  "a page whose storage is blocked learns all the same, and keeps it until it is closed",
  async (page) => {
    await breakSensor(page);
    const height = () => page.evaluate(() => document.documentElement.scrollHeight);
    const before = await height();
    await page.click("#learn");
    await says(page, "learned", /^Learned, until the page is closed: .*SecurityError\)\. On 100 other digits/);
    await says(page, "verdict", /^All is well/);
    assert.equal(await height(), before);
    // As long as the page lasts, nothing of it is lost.
    await page.evaluate(learnUntil, "stop");
    await says(page, "learned", /^Stopped/);
    await page.click("#more");
    await says(page, "verdict", /^All is well/);
    await page.selectOption("#blob", "int4");
    await says(page, "facts", /245,045/);
    await says(page, "learned", /nothing yet/);
    await page.selectOption("#blob", "int8");
    await says(page, "learned", /^It has what it learned, until the page is closed/);
    await says(page, "verdict", /^All is well/);
  },
  {
    prepare: (page) =>
      page.addInitScript(() => {
        Object.defineProperty(window, "localStorage", {
          get() {
            throw new DOMException("", "SecurityError");
          },
        });
      }),
  },
);

use("two tabs have one flash", async (page, context) => {
  const other = await context.newPage();
  await other.goto(server.url);
  await ready(other);
  await page.click("#learn");
  await says(page, "learned", /^Digit/);
  await store(other);
  await says(page, "learned", /still in its flash\./); // the run has ended with the device of which it was
  await page.click("#break");
  await says(page, "verdict", /^All is well/);
  await other.reload();
  await ready(other);
  await page.click("#reset");
  await says(other, "learned", /^It has forgotten/);
  await says(page, "verdict", /The sensor has changed: 32/);
  assert.equal((await flashes(page)).length, 1);
});

// Files of the page that do not come

/** What the browser itself says of a file that is not there. */
const ABSENT = /404|ERR_ABORTED|preload/;

const missing = (page, name) => page.route(`**/${name}`, (route) => route.fulfill({ status: 404, body: "" }));

for (const name of ["device.wasm", "classic.int8.blob", "digits.bin", "figures.json"]) {
  use(
    `a visitor hears that ${name} cannot be loaded`,
    async (page) => says(page, "message", new RegExp(`^Cannot load ${name}: 404.*\\. Reload the page to try again\\.`)),
    { isReady: false, allowed: ABSENT, prepare: (page) => missing(page, name) },
  );
}

use(
  "a network or a run whose file cannot be loaded is reported, and works later",
  async (page) => {
    await page.selectOption("#blob", "int4");
    await says(page, "message", /^4-bit weights: cannot load classic\.int4\.blob: 404.* keeps its network\./);
    assert.equal(await page.inputValue("#blob"), "int8");
    await page.click("#learn");
    await says(page, "learned", /^Cannot load learning\.bin: 404/);
    await page.unroute("**/learning.bin");
    await page.click("#learn");
    await says(page, "learned", /^Digit/);
    // The strip shows what is learned: it cannot be changed meanwhile.
    assert.ok(await page.evaluate(() => document.getElementById("strip").inert));
  },
  {
    allowed: ABSENT,
    prepare: async (page) => {
      for (const name of ["classic.int4.blob", "learning.bin"]) await missing(page, name);
    },
  },
);

use(
  "a stream whose files cannot be loaded is tried again",
  async (page) => {
    await page.click("#tab-motion");
    await says(page, "motion-verdict", /^Cannot load subjects-8-10\.csv\.gz: 404.*Choose the tab again/);
    await page.click("#tab-digits");
    await page.unroute("**/subjects-8-10.csv.gz");
    await page.click("#tab-motion");
    await says(page, "motion-verdict", /^Steady/);
    assert.equal(await page.locator("#scores svg").count(), 1);
  },
  { allowed: ABSENT, prepare: (page) => missing(page, "subjects-8-10.csv.gz") },
);

use(
  "one loop plays a stream, whatever is clicked, and a paused stream stays paused",
  async (page) => {
    await page.click("#tab-motion");
    await says(page, "motion-verdict", /^Steady/);
    await page.evaluate(() => {
      for (let i = 0; i < 10; i++) document.getElementById("play").click();
      for (let i = 0; i < 4; i++) document.getElementById(["tab-digits", "tab-motion"][i % 2]).click();
    });
    const drawn = async () => (await bars(page, "scores")).reduce((sum, count) => sum + count);
    const [before, from] = [await drawn(), performance.now()];
    await page.waitForTimeout(1000);
    const windows = (await drawn()) - before;
    const most = (((performance.now() - from) / 1000) * 50 * 6) / 16;
    assert.ok(windows > 0 && windows <= most + 3, `${windows} windows, ${most} at the speed that is named`);
    assert.equal(await page.locator("#scores .rule").count(), 2);
    await page.click("#play");
    await page.click("#tab-digits");
    await page.click("#tab-motion");
    assert.equal(await text(page, "play"), "Play");
    const then = await drawn();
    await page.waitForTimeout(300);
    assert.equal(await drawn(), then);
  },
  { reducedMotion: "no-preference" },
);
