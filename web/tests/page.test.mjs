// The page in a browser, used as a visitor would.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import {
  bars,
  breakSensor,
  complete,
  flashes,
  learnUntil,
  ready,
  says,
  set,
  shown,
  start,
  text,
  visit,
} from "./browser.mjs";

const { PAGE, EXPECTED, PROGRAM } = process.env;
const expected = JSON.parse(readFileSync(`${EXPECTED}/expected.json`));

let server;

before(async () => (server = await start()));
after(async () => server?.stop());

const use = (name, steps, options) => test(name, () => visit(server, steps, options));

test("the first answer comes within a second, and a digit takes less than 5 ms", async () => {
  const firsts = [];
  for (let i = 0; i < 3; i++) {
    await visit(server, async (page) => {
      firsts.push(await page.evaluate(() => performance.getEntriesByName("first answer")[0].startTime));
      await page.evaluate(() => document.querySelectorAll("#picker input").forEach((radio) => radio.click()));
      await page.waitForFunction(() => window.times.length >= 100);
      const times = await page.evaluate(() => window.times.sort((a, b) => a - b));
      const median = times[Math.floor(times.length / 2)];
      console.log(`first answer after ${firsts.at(-1).toFixed(0)} ms, a digit in ${median.toFixed(2)} ms`);
      assert.ok(median < 5, `${median} ms for a digit`);
    });
  }
  const [, median] = firsts.sort((a, b) => a - b);
  assert.ok(median < 1000, `first answers after ${firsts} ms`);
});

/** In the page: picks each test digit and reads its code, reconstruction and score. */
function everyDigit() {
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const canvas = document.getElementById("reconstruction");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  return [...document.querySelectorAll("#picker input")].map((radio) => {
    radio.click();
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const code = Array.from(document.getElementById("strip").children, (bar) =>
      Math.round(255 * bar.style.getPropertyValue("--value")),
    );
    const score = Number(document.querySelector("#gauge b").textContent.replace(/\D/g, ""));
    return { code: hex(code), row: hex(data.filter((_, i) => i % 4 === 0)), score };
  });
}

for (const blob of ["int8", "int4"]) {
  use(`codes, reconstructions and scores of 100 digits are those in process: ${blob}`, async (page) => {
    await page.selectOption("#blob", blob);
    await says(page, "facts", blob === "int8" ? /478,517.*instructions/ : /245,045.*instructions/);
    assert.equal(expected[blob].length, 100);
    assert.deepEqual(await page.evaluate(everyDigit), expected[blob]);
  });
}

use("a broken sensor does what --shift does", async (page) => {
  const good = { Gain: 100, Offset: 0, "Stuck columns": 0, Rotation: 0, Inversion: 0 };
  for (const [shift, settings] of Object.entries({
    "gain-offset": { Gain: 60, Offset: 20, "Stuck columns": 2 },
    invert: { Inversion: 100 },
    columns: { "Stuck columns": 2 },
    rotate: { Rotation: 90 },
    "contrast-50": { Gain: 50 },
  })) {
    await set(page, { ...good, ...settings });
    const scores = await page.evaluate(() =>
      [...document.querySelectorAll("#picker input")].slice(0, 20).map((radio) => {
        radio.click();
        return Number(document.querySelector("#gauge b").textContent.replace(/\D/g, ""));
      }),
    );
    const mse = scores.reduce((sum, score) => sum + score) / 65025 / 784 / 20;
    const options = ["--weights", "models/classic.int8.blob", "--rows", "20", "--shift", shift, "--json"];
    const { mse: own } = JSON.parse(execFileSync(PROGRAM, ["roundtrip", ...options]));
    assert.ok(Math.abs(mse - own) < 1e-9, `${shift}: ${mse}, not ${own}`);
  }
});

use("a digit can be drawn with the mouse", async (page) => {
  const { x, y, width } = await page.locator("#pad").boundingBox();
  await page.mouse.move(x + width * 0.1, y + width * 0.1);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.4, y + width * 0.12, { steps: 8 });
  await page.mouse.move(x + width * 0.2, y + width * 0.5, { steps: 8 });
  await page.mouse.up();
  const { sensor, score } = await shown(page);
  checkDrawn(sensor);
  assert.ok(score > 0 && score < 784 * 65025 * 0.02, `${score}: a seven is reconstructed`);
  await page.click("#clear");
  assert.ok((await shown(page)).sensor.every((pixel) => pixel === 0));
});

/** A drawing has the size and the place of a digit of MNIST: a box of 20 pixels, centred by its mass. */
function checkDrawn(pixels) {
  const inked = pixels.flatMap((pixel, i) => (pixel > 0 ? [[i % 28, Math.floor(i / 28)]] : []));
  for (const axis of [0, 1]) {
    const places = inked.map((place) => place[axis]);
    const extent = Math.max(...places) - Math.min(...places) + 1;
    assert.ok(extent <= 22, `${extent} pixels wide or high`);
    const mass = pixels.reduce((sum, pixel) => sum + pixel);
    const centre = pixels.reduce((sum, pixel, i) => sum + pixel * [i % 28, Math.floor(i / 28)][axis], 0) / mass;
    assert.ok(Math.abs(centre - 13.5) <= 0.51, `centre ${centre}`);
  }
  assert.ok(Math.max(...pixels) > 200);
}

use(
  "a digit can be drawn with a finger",
  async (page, context) => {
    const { x, y, width } = await page.locator("#pad").boundingBox();
    const client = await context.newCDPSession(page);
    const touch = (type, points) =>
      client.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: points.map(([u, v]) => ({ x: x + u * width, y: y + v * width })),
      });
    await touch("touchStart", [[0.5, 0.2]]);
    for (let v = 0.25; v < 0.85; v += 0.05) await touch("touchMove", [[0.5, v]]);
    await touch("touchEnd", []);
    checkDrawn((await shown(page)).sensor);
    assert.equal(await page.evaluate(() => window.scrollY), 0);
  },
  { hasTouch: true, viewport: { width: 390, height: 844 } },
);

use("everything can be done with the keyboard", async (page) => {
  await page.focus("#pad");
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await press("Delete");
  assert.equal(await text(page, "pen"), "Empty pad, pen up at column 14, row 7");
  await press("Space", ...Array(8).fill("ArrowDown"), ...Array(4).fill("ArrowRight"));
  assert.equal(await text(page, "pen"), "Pen down at column 18, row 15");
  await press("Space");
  checkDrawn((await shown(page)).sensor);
  // Each control is reached by the tab key, with something around it to see where one is.
  const reached = new Set();
  for (let i = 0; i < 60; i++) {
    await press("Tab");
    const [name, outline] = await page.evaluate(() => {
      const element = document.activeElement;
      const ring =
        element.type === "radio"
          ? element.nextElementSibling
          : element.id === "strip"
            ? element.querySelector(".chosen")
            : element;
      return [element.id || element.getAttribute("aria-label"), getComputedStyle(ring).outlineStyle];
    });
    reached.add(name);
    if (name !== null) assert.notEqual(outline, "none", name);
  }
  for (const name of [
    "clear",
    "strip",
    "blob",
    "break",
    "Gain",
    "Inversion",
    "more",
    "learn",
    "reset",
    "tab-digits",
    "pad",
    "Test digit 1, a seven",
  ]) {
    assert.ok(reached.has(name), `${name} of ${[...reached]}`);
  }
  await page.focus("#strip");
  const { row } = await shown(page);
  await press("ArrowRight", "PageUp");
  assert.match(await page.getAttribute("#strip", "aria-valuetext"), /^element 2 of 128: \d+$/);
  assert.notDeepEqual((await shown(page)).row, row);
  await page.focus("#tab-digits");
  await press("ArrowRight");
  assert.equal(await page.getAttribute("#tab-motion", "aria-selected"), "true");
});

use("an element of the code is dragged, and the reconstruction follows", async (page) => {
  const first = await shown(page);
  const box = await page.locator("#strip i").nth(40).boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x, y - 200);
  const high = await shown(page);
  await page.mouse.move(x + 300, y + 400);
  const low = await shown(page);
  await page.mouse.up();
  await page.mouse.move(x, y);
  const changed = (value) => first.code.map((element, i) => (i === 40 ? value : element));
  assert.deepEqual([high.code, low.code], [changed(255), changed(0)]);
  for (const { row, score } of [high, low]) {
    assert.notDeepEqual(row, first.row);
    assert.equal(
      score,
      row.reduce((sum, pixel, i) => sum + (pixel - first.sensor[i]) ** 2, 0),
    );
  }
  await page.click("#undo");
  assert.deepEqual(await shown(page), first);
});

use(
  "break, notice, learn, reload, reset",
  async (page) => {
    await says(page, "verdict", /^All is well: \d of the last 32/);
    await breakSensor(page);
    assert.match(await page.getAttribute("#vote", "aria-label"), /32 above/);
    assert.deepEqual(await bars(page, "vote"), [32, 0, 0]);
    await page.click("#learn");
    await says(
      page,
      "learned",
      /^Learned, and kept in its flash. On 100 other digits, the error went from 0.093 to 0.0021/,
    );
    const heard = await page.textContent("#learned + [aria-live]");
    assert.ok(heard.startsWith("Learned, and kept"), "each verdict has a live region of its own");
    await says(page, "verdict", /^All is well: \d of the last 32/);
    await page.click("#more");
    await page.waitForTimeout(32 * 50);
    let [above, between] = await bars(page, "vote");
    for (let i = 0; i < 100 && above + between < 32; i++) {
      await page.waitForTimeout(100);
      [above, between] = await bars(page, "vote");
    }
    assert.ok(above < 4 && above + between === 32, `${above} above, ${between} between`);
    for (const line of ["strong", "faint"]) {
      const path = await page.getAttribute(`#chart .${line}`, "d");
      assert.equal(path.split("L").length, 1008, "the error of each digit is drawn");
    }
    const [own, ...others] = await flashes(page);
    assert.deepEqual([Buffer.from(own, "base64").toString("hex"), others], [expected.learned.flash, []]);

    await page.reload();
    await ready(page);
    assert.match(await text(page, "learned"), /still in its flash\. The sensor is whole again: break it/);
    await page.click("#break");
    await says(page, "verdict", /^All is well: \d of the last 32/);
    await page.click("#reset");
    await says(page, "learned", /has forgotten/);
    await says(page, "verdict", /The sensor has changed/);
    await page.reload();
    await ready(page);
    assert.match(await text(page, "learned"), /has forgotten/);
    await breakSensor(page);
  },
  { reducedMotion: "no-preference" },
);

use("what 4-bit weights learned is there after a reload, and so is the choice", async (page) => {
  await page.selectOption("#blob", "int4");
  await says(page, "facts", /245,045/);
  await breakSensor(page);
  await page.click("#learn");
  await says(page, "learned", /^Learned/);
  await page.reload();
  await ready(page);
  await says(page, "facts", /245,045/);
  assert.equal(await page.inputValue("#blob"), "int4");
  assert.match(await text(page, "learned"), /still in its flash\./);
  await page.click("#break");
  await says(page, "verdict", /^All is well/);
});

use(
  "a run that is stopped, or whose page is closed, leaves nothing",
  async (page) => {
    await breakSensor(page);
    for (const how of ["stop", "another network", "reload"]) {
      const reloaded = how === "reload" ? page.waitForEvent("load") : null;
      await page.evaluate(learnUntil, how);
      await reloaded;
      await ready(page);
      await says(page, "learned", /nothing/);
      assert.deepEqual(await flashes(page), []);
      assert.equal(await text(page, "learn"), "Learn");
    }
  },
  { reducedMotion: "no-preference" },
);

use("a sensor that shows nothing is not learned", async (page) => {
  await set(page, { Gain: 0 });
  await says(page, "verdict", /32 of the last 32/);
  await page.click("#more");
  await says(page, "verdict", /^The sensor is frozen/);
  await page.click("#learn");
  await says(page, "learned", /^Undone: too few different rows/);
  assert.deepEqual(await flashes(page), []);
});

/** In the page: chooses an exercise, and returns what is said of its first window. */
function firstVote(exercise) {
  const verdict = document.getElementById("motion-verdict");
  document.querySelector(`#exercises [value=${exercise}]`).click();
  return new Promise((done) => {
    new MutationObserver((_, observer) => {
      observer.disconnect();
      done(verdict.textContent);
    }).observe(verdict, { childList: true });
  });
}

use(
  "a stream is monitored, and another exercise raises the alarm",
  async (page) => {
    await page.click("#tab-motion");
    await says(page, "motion-verdict", /^Steady: 0 of/);
    assert.match(await page.getAttribute("#scores", "aria-label"), /^Scores of \d+ windows: 0 above, 0 below/);
    // The vote begins again with a recording: it is not said of windows that have not voted.
    const first = await page.evaluate(firstVote, "FEL");
    assert.match(first, /with it a vote: the first window is (outside|between) the thresholds; 10 raise/);
    await says(page, "motion-verdict", /^Alarm, this is not the upright row: \d+ of the/);
    await page.selectOption("#subject", "10");
    await page.click('#exercises label:has-text("Upright row")');
    await says(page, "motion-verdict", /^Steady/);
    await page.click("#play");
    const at = await page.getAttribute("#scores .bar", "d");
    await page.waitForTimeout(500);
    assert.equal(await page.getAttribute("#scores .bar", "d"), at);
    await page.click("#tab-digits");
    assert.equal((await shown(page)).code.length, 128);
  },
  { reducedMotion: "no-preference" },
);

use("a vote is said in whole sentences", async (page) => {
  const said = await page.evaluate(async () => {
    const { vote } = await import(new URL("monitor.mjs", location));
    const votes = [
      [0, 0, 1],
      [0, 1, 1],
      [0, 0, 2],
      [1, 0, 31],
      [1, 0, 32],
      [10, 22, 1000],
    ];
    return votes.map(([above, below, seen]) => vote({ above, below }, seen, "digit"));
  });
  assert.deepEqual(said, [
    "the first digit is between the thresholds",
    "the first digit is outside the thresholds",
    "0 of the first 2 digits are outside the thresholds",
    "1 of the first 31 digits is outside the thresholds",
    "1 of the last 32 digits is outside the thresholds",
    "32 of the last 32 digits are outside the thresholds",
  ]);
});

use("the second tab shows what its detector takes on a Cortex-M4", async (page) => {
  await page.click("#tab-motion");
  await says(page, "motion-verdict", /^Steady/);
  const { detector } = JSON.parse(readFileSync(`${PAGE}/figures.json`));
  const number = (value) => value.toLocaleString("en");
  const shown = await text(page, "motion-facts");
  for (const row of [
    `RAM${number(detector.ram)} bytes`,
    `Program${number(detector.code)} bytes`,
    `Score${number(detector.front_end + detector.network)} instructions a window`,
    `Learn${number(detector.front_end + detector.step)} instructions a window`,
  ]) {
    assert.ok(shown.includes(row), `${row} in ${shown}`);
  }
});

use("a turned sensor is said to be hardly noticed, and when an alarm ends", async (page) => {
  await set(page, { Rotation: 180 });
  await says(page, "verdict", /^No alarm: \d of the last 32 digits (is|are) outside .*; 10 raise it\. Turned strokes look known/);
  await breakSensor(page);
  assert.match(await text(page, "verdict"), /; the alarm ends at 4\.$/);
});

use("once it is complete, the page works without its server", async (page) => {
  await complete(page);
  await page.route("**/*", (route) => route.abort());
  await page.click("#learn");
  await says(page, "learned", /^(Learned|Undone)/);
  await page.selectOption("#blob", "int4");
  await says(page, "facts", /245,045/);
  await page.click("#tab-motion");
  await says(page, "motion-verdict", /^Steady/);
});

test("a page that was opened as a file says why nothing comes", async () => {
  const page = await server.browser.newPage();
  await page.goto(`file://${PAGE}/index.html`);
  await page.bringToFront(); // a page in the background need not draw, nor move its animations on
  const late = page.locator("#loading .late");
  await late.waitFor({ state: "visible" });
  assert.match(await late.textContent(), /opened as a file cannot load it/);
  await page.close();
});

test("any server of static files can serve the folder, anywhere", async () => {
  const kinds = {
    html: "text/html",
    mjs: "text/javascript",
    css: "text/css",
    svg: "image/svg+xml",
    wasm: "application/octet-stream",
  };
  const any = createServer((request, response) => {
    const name = request.url.replace("/some/where/", "") || "index.html";
    const path = `${PAGE}/${name}`;
    response.writeHead(existsSync(path) ? 200 : 404, {
      "Content-Type": kinds[name.split(".").at(-1)] ?? "application/octet-stream",
    });
    if (existsSync(path)) createReadStream(path).pipe(response);
    else response.end();
  });
  await new Promise((done) => any.listen(0, "127.0.0.1", done));
  await visit({ ...server, url: `http://127.0.0.1:${any.address().port}/some/where/` }, async (page) => {
    assert.equal((await shown(page)).score, expected.int8[0].score);
    await page.click("#tab-motion");
    await says(page, "motion-verdict", /of the last 32/);
  });
  any.closeAllConnections();
  any.close();
});
