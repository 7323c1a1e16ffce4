// The page in a browser when things go wrong: files of all kinds, quick hands, a slow line, a storage that fails, two tabs.

import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { bars, breakSensor, flashes, hold, learnUntil, open, ready, says, shown, start, text, visit } from "./browser.mjs";

const { EXPECTED } = process.env;
const expected = JSON.parse(readFileSync(`${EXPECTED}/expected.json`));
const blob = (name) => readFileSync(`${EXPECTED}/${name}.blob`);
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

// Files

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
    ["watch.blob", watch, /watch\.blob: its network takes the samples of a sensor, no images\./],
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
