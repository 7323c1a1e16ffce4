// A browser, and what the tests read from the page.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { PAGE, EXPECTED, PROGRAM } = process.env;
const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);

export const launch = () => chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });

/** Starts the server of the page, and a browser. The server writes the folder of the page first. */
export async function start() {
  const server = spawn(PROGRAM, ["page", "--port", "0", "--out", PAGE], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((done, fail) => {
    server.stdout.on("data", (line) => done(String(line).trim()));
    server.on("exit", (code) => fail(new Error(`the server ends with code ${code}`)));
  });
  const browser = await launch();
  const stop = async () => {
    await browser.close();
    server.kill();
  };
  return { browser, url, stop };
}

/**
 * Opens the page, uses it, and checks that nothing was wrong and nothing but its server was asked. `prepare` is called with
 * the page before it is opened. Problems that match `allowed` are expected. `isReady: false` does not wait for an answer.
 */
export async function visit({ browser, url }, use, { prepare, allowed, isReady = true, ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    reducedMotion: "reduce",
    ...options,
  });
  const problems = [];
  const problem = (text) => allowed?.test(text) || problems.push(text);
  context.on(
    "request",
    (request) => request.url().startsWith(url) || request.url().startsWith("blob:") || problem(request.url()),
  );
  context.on("requestfailed", (request) => {
    const { errorText } = request.failure();
    // A page that is left no longer loads what it would need later.
    if (errorText !== "net::ERR_ABORTED") problem(`${request.url()}: ${errorText}`);
  });
  context.on("response", (response) => response.ok() || problem(`${response.url()}: ${response.status()}`));
  context.on("console", (message) => ["error", "warning"].includes(message.type()) && problem(message.text()));
  context.on("weberror", (error) => problem(error.error().message));
  const page = await context.newPage();
  await page.addInitScript(() => {
    window.times = [];
    window.shifts = 0;
    new PerformanceObserver((list) => window.times.push(...list.getEntries().map(({ duration }) => duration))).observe({
      type: "measure",
    });
    new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (window.shifts += value))).observe({
      type: "layout-shift",
      buffered: true,
    });
  });
  try {
    await prepare?.(page);
    await page.goto(url);
    if (isReady) await ready(page);
    await use(page, context);
    assert.deepEqual(problems, []);
  } finally {
    await context.close();
  }
}

/** Holds back a file of the page. Returns a function that lets it go, and resolves when the page has it. */
export async function hold(page, name) {
  let release;
  const released = new Promise((done) => (release = done));
  await page.route(`**/${name}`, async (route) => {
    await released;
    await route.continue();
  });
  return async () => {
    const response = page.waitForResponse(`**/${name}`);
    release();
    await (await response).finished();
    await page.waitForTimeout(100);
  };
}

/** Waits for the first answer. */
export const ready = (page) => page.waitForFunction(() => performance.getEntriesByName("first answer").length > 0);

/** Waits until the page has all that it needs, with its server or without. */
export const complete = (page) =>
  page.waitForFunction(() =>
    performance.getEntriesByType("resource").some(({ name, responseEnd }) => name.endsWith(".csv.gz") && responseEnd > 0),
  );

/** What is shown: the code, the score, and the pixels of two pictures. */
export const shown = (page) =>
  page.evaluate(() => {
    const pixels = (id) => {
      const { width, height } = document.getElementById(id);
      const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(document.getElementById(id), 0, 0);
      const { data } = copy.getImageData(0, 0, width, height);
      return Array.from(data.filter((_, i) => i % 4 === 0));
    };
    const code = [...document.getElementById("strip").children].map((bar) =>
      Math.round(255 * bar.style.getPropertyValue("--value")),
    );
    const score = Number(document.querySelector("#gauge b").textContent.replace(/\D/g, ""));
    return { code, score, sensor: pixels("sensor"), row: pixels("reconstruction") };
  });

/** Sets sliders, whose other settings stay. */
export const set = (page, settings) =>
  page.evaluate((settings) => {
    for (const [label, value] of Object.entries(settings)) {
      const input = document.querySelector(`input[aria-label="${label}"]`);
      input.value = value;
      input.dispatchEvent(new Event("input"));
    }
  }, settings);

export const text = (page, id) => page.textContent(`#${id}`);

/** Waits until an element says this. */
export const says = (page, id, pattern) =>
  page.waitForFunction(
    ([id, source]) => new RegExp(source).test(document.getElementById(id).textContent),
    [id, pattern.source],
  );

/** Breaks the sensor and waits for the alarm. */
export async function breakSensor(page) {
  await page.click("#break");
  await says(page, "verdict", /The sensor has changed: 32 of the last 32/);
}

/** The bars of a chart above, between and below the thresholds. */
export const bars = (page, id) =>
  page.evaluate(
    (id) =>
      ["bar above", "bar", "bar below"].map(
        (kind) => document.querySelector(`#${id} [class="${kind}"]`).getAttribute("d").split("M").length - 1,
      ),
    id,
  );

/** What the browser has stored of the flashes, one for each network. */
export const flashes = (page) =>
  page.evaluate(() =>
    Object.entries(localStorage).flatMap(([key, value]) => (key.startsWith("autoencoder flash ") ? [value] : [])),
  );

/** A blob that was made for the tests. */
export const blob = (name) => readFileSync(`${EXPECTED}/${name}.blob`);

/** Chooses a file of one's own. */
export const open = (page, name, bytes) =>
  page.setInputFiles("#file", { name, mimeType: "application/octet-stream", buffer: bytes });

/** In the page: learns, and ends the run after its first digits. */
export function learnUntil(how) {
  const [learn, blob, learned] = ["learn", "blob", "learned"].map((id) => document.getElementById(id));
  learn.click();
  return new Promise((done) => {
    new MutationObserver((_, observer) => {
      if (!learned.textContent.startsWith("Digit")) return;
      observer.disconnect();
      if (how === "stop") learn.click();
      if (how === "another network") {
        blob.value = "int4";
        blob.dispatchEvent(new Event("change"));
      }
      if (how === "reload") setTimeout(() => location.reload());
      done();
    }).observe(learned, { childList: true });
  });
}
