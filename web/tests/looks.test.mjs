// How the page looks, to eyes and to a screen reader: at each size, light, dark and with forced colours.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { blob, breakSensor, open, ready, says, set, start, text, visit } from "./browser.mjs";

const SIZES = [
  [390, 844],
  [768, 1024],
  [1440, 900],
];

let server;

before(async () => (server = await start()));
after(async () => server?.stop());

const use = (name, steps, options) => test(name, () => visit(server, steps, options));

test("it is legible and accessible at every size, light and dark, and nothing jumps", async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  for (const [width, height] of SIZES) {
    for (const colorScheme of ["light", "dark"]) {
      const check = async (page, where) => {
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(overflow <= 0, `${where}: ${overflow} pixels too wide`);
        const { violations } = await page.evaluate(() =>
          window.axe.run({ exclude: ["#picker label:nth-child(n + 3)"] }),
        );
        const found = violations.map(
          ({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ html }) => html.slice(0, 120))}`,
        );
        assert.deepEqual(found, []);
      };
      await visit(
        server,
        async (page) => {
          await page.evaluate(axe);
          await says(page, "verdict", /^All is well/);
          await breakSensor(page);
          if (colorScheme === "light" && width !== 768) {
            await page.click("#learn");
            await says(page, "learned", /^Learned/);
          }
          await check(page, `${width} ${colorScheme}, broken and learned`);
          const shift = await page.evaluate(() => window.shifts);
          assert.ok(shift < 0.002, `${width}: layout shift of ${shift}`);
          await page.click("#tab-motion");
          await says(page, "motion-verdict", /of the last 32/);
          await check(page, `${width} ${colorScheme}, motion`);
          const later = await page.evaluate(() => window.shifts);
          assert.ok(later < 0.002, `${width}, motion: layout shift of ${later}`);
        },
        { colorScheme, viewport: { width, height } },
      );
    }
  }
});

test("the lower half of the page stays where it is while the page loads", async () => {
  await visit(
    server,
    async (page) => {
      await page.evaluate(() => scrollTo(0, 900));
      await page.reload();
      await ready(page);
      await says(page, "verdict", /^All is well/);
      const [top, shift] = await page.evaluate(() => [scrollY, window.shifts]);
      assert.ok(top > 600 && shift < 0.002, `scrolled to ${top}, layout shift of ${shift}`);
    },
    { viewport: { width: 390, height: 844 } },
  );
});

for (const [width, height] of [
  [1280, 720],
  [1366, 768],
  [1440, 900],
]) {
  use(
    `a screen of ${width} by ${height} shows all of the first tab`,
    async (page) => {
      await breakSensor(page);
      await set(page, { Rotation: 30 });
      const bottom = await page.evaluate(() => document.documentElement.scrollHeight);
      assert.ok(bottom <= height, `${bottom} pixels`);
      const { width: pad } = await page.locator("#pad").boundingBox();
      assert.ok(pad >= 180, `the pad has ${pad} pixels`);
    },
    { viewport: { width, height } },
  );
}

use(
  "nothing sticks out of its card on the smallest screen, and no text covers another",
  async (page) => {
    await open(page, "a-network-with-a-long-name.blob", blob("narrow"));
    await says(page, "facts", /784 → 8 → 784/);
    const wide = await page.evaluate(() =>
      [...document.querySelectorAll("#digits section, #digits aside")].flatMap((card) => {
        const { right } = card.getBoundingClientRect();
        const inside = [...card.querySelectorAll("button, select, h2, .label, .gauge span, dd")];
        return inside.filter((it) => it.getBoundingClientRect().right > right).map((it) => it.outerHTML.slice(0, 80));
      }),
    );
    assert.deepEqual(wide, []);
    const [low, high] = await Promise.all(["low", "high"].map((kind) => page.locator(`#gauge .${kind}`).boundingBox()));
    assert.ok(low.width > 0 && low.x + low.width <= high.x, "the thresholds do not overlap");
  },
  { viewport: { width: 320, height: 640 } },
);

for (const [width, height] of [[320, 640], ...SIZES]) {
  use(
    `the tabs stay where they are when one of them is chosen, and the text above is of that tab: ${width}`,
    async (page) => {
      const place = async () => JSON.stringify(await page.locator("[role=tablist]").boundingBox());
      const before = await place();
      assert.match(await page.locator(".lead:visible").innerText(), /: 784 pixels become 128 bytes, .* again\. Nothing/);
      await page.click("#tab-motion");
      assert.equal(await place(), before);
      assert.match(await page.locator(".lead:visible").innerText(), /WebAssembly: it watches a wrist move, .* know\. Nothing/);
    },
    { viewport: { width, height } },
  );
}

use(
  "a word of a command is not broken, and axes have names",
  async (page) => {
    await page.selectOption("#blob", "int4");
    await says(page, "facts-note", /classic\.int4\.blob \[--learning\]/);
    const lines = await page.evaluate(() =>
      Array.from(document.querySelectorAll("#facts-note code span"), (word) => word.getClientRects().length),
    );
    assert.deepEqual(lines, [1, 1, 1, 1, 1]);
    assert.deepEqual(await page.locator("#chart .label").allTextContents(), ["error 1", "0.1", "0.01", "0.001"]);
    assert.deepEqual(await page.locator("#vote .label").allTextContents(), ["above", "below"]);
  },
  { viewport: { width: 390, height: 844 } },
);

for (const colorScheme of ["light", "dark"]) {
  use(
    `with forced colours, ${colorScheme}, one sees which tab and which digit is chosen, and where the screens end`,
    async (page) => {
      const style = (selector, property) =>
        page.locator(selector).first().evaluate((element, property) => getComputedStyle(element)[property], property);
      for (const property of ["backgroundColor", "color"]) {
        const [chosen, other] = [await style("#tab-digits", property), await style("#tab-motion", property)];
        assert.notEqual(chosen, other, property);
      }
      for (const canvas of ["#pad", "#sensor", "#reconstruction"]) {
        assert.equal(await style(canvas, "outlineStyle"), "solid");
      }
      const [chosen, other] = [":checked", ":not(:checked)"].map((radio) => `#picker input${radio} + canvas`);
      assert.notEqual(await style(chosen, "outlineColor"), await style(other, "outlineColor"));
      // The scale of the score and the bars of the code keep their colours.
      const [track, paper] = [await style(".track", "backgroundColor"), await style("body", "backgroundColor")];
      assert.notEqual(track, paper);
    },
    { forcedColors: "active", colorScheme },
  );
}

use("a screen reader hears each thing once", async (page) => {
  await breakSensor(page);
  await page.waitForTimeout(3500); // announcements are gone
  const tree = await page.locator("body").ariaSnapshot();
  assert.doesNotMatch(tree, /status/, "a slider says its value, and no text beside it does");
  for (const line of [
    /tab "Digits" \[selected\]/,
    /figure "Draw here"/,
    /application "Drawing pad, 28 by 28 pixels"/,
    /radio "Test digit 1, a seven" \[checked\]/,
    /slider "Element of the code"/,
    /slider "Gain": "60"/,
    /img "Score of this digit: [\d,]+, above the threshold"/,
    /img "The last 32 scores: 32 above, 0 below the thresholds"/,
  ]) {
    assert.match(tree, line);
  }
  assert.equal(tree.match(/The sensor has changed/g).length, 1);
  assert.doesNotMatch(tree, /^ *- img$/m, "each picture has a name");
});

use("a message stays until it is closed, and the keyboard keeps a place", async (page) => {
  await open(page, "text", Buffer.from("a"));
  await says(page, "message", /too short/);
  await page.focus("#message button");
  await page.keyboard.press("Enter");
  assert.ok(await page.isHidden("#message"));
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-digits");
});
