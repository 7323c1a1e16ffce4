// Takes the picture of the README: a digit that was drawn, a sensor that was broken, a device that has noticed and learned.
//
//     cargo run -p firmware-sim -- page
//     node web/tests/picture.mjs http://127.0.0.1:8128/ docs/page.png

import { launch, ready, says } from "./browser.mjs";

const [url, path] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1376, height: 860 }, colorScheme: "light" });
await page.goto(url);
await ready(page);
await says(page, "verdict", /^All is well/);

// A three: two arcs.
const { x, y, width } = await page.locator("#pad").boundingBox();
const arc = (cx, cy, r, from, to) =>
  Array.from({ length: 25 }, (_, i) => from + ((to - from) * i) / 24).map((angle) => [
    cx + r * Math.cos(angle),
    cy + r * Math.sin(angle),
  ]);
const points = [...arc(0.48, 0.33, 0.15, -2.7, 1.5), ...arc(0.48, 0.66, 0.18, -1.5, 2.6)];
const at = ([u, v]) => [x + u * width, y + v * width];
await page.mouse.move(...at(points[0]));
await page.mouse.down();
for (const point of points) await page.mouse.move(...at(point));
await page.mouse.up();

await page.click("#break");
await says(page, "verdict", /32 of the last 32/);
await page.click("#learn");
await page.mouse.move(0, 0);
await says(page, "learned", /^Learned/);
await says(page, "verdict", /^All is well: \d of the last 32/);
await page.screenshot({ path });
await browser.close();
