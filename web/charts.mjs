// Charts as SVG, whose colours are those of the style sheet. The drawing is stretched to its element, so text is HTML.

import { count, largestScore } from "./common.mjs";
import { UNCALIBRATED } from "./protocol.mjs";

const WIDTH = 1000;
const HEIGHT = 100;
const SVG = "http://www.w3.org/2000/svg";

/** An element with a class, as the last child of another. */
function child(parent, name, kind = "") {
  const element =
    parent.namespaceURI === SVG || name === "svg" ? document.createElementNS(SVG, name) : document.createElement(name);
  if (kind !== "") element.setAttribute("class", kind);
  parent.append(element);
  return element;
}

/** A linear or logarithmic axis from 0 to 1. */
export function axis(from, to, log = false) {
  const scale = log ? (value) => Math.log(Math.max(value, Number.MIN_VALUE)) : (value) => value;
  const [low, high] = [scale(from), scale(to)];
  return (value) => Math.min(1, Math.max(0, (scale(value) - low) / (high - low)));
}

/** Lines, bars and bands over a fixed number of places from left to right. */
export class Chart {
  #svg;
  #element;
  #shapes = new Map();
  #labels = new Map();

  constructor(element) {
    this.#element = element;
    element.replaceChildren();
    this.#svg = child(element, "svg");
    this.#svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.#svg.setAttribute("preserveAspectRatio", "none");
  }

  /** The shape of this name, which is made on its first use. Shapes lie in the order in which they were made. */
  #shape(name, kind) {
    if (!this.#shapes.has(name)) this.#shapes.set(name, child(this.#svg, "path", kind));
    return this.#shapes.get(name);
  }

  /** A line through heights from 0 to 1; `places` is the number of heights of a full line. */
  line(name, kind, heights, places) {
    const point = (height, i) => `${((i * WIDTH) / (places - 1)).toFixed(1)},${y(height)}`;
    const path = heights.length > 1 ? `M${heights.map(point).join("L")}` : "";
    this.#shape(name, `line ${kind}`).setAttribute("d", path);
  }

  /** Bars that stand on the bottom; a height may be null. */
  bars(name, kind, heights, places) {
    const pitch = WIDTH / places;
    const bar = (height, i) =>
      height === null
        ? ""
        : `M${(i * pitch + pitch * 0.14).toFixed(1)},${HEIGHT}V${y(Math.max(height, 0.02))}h${(pitch * 0.72).toFixed(1)}V${HEIGHT}z`;
    this.#shape(name, kind).setAttribute("d", heights.map(bar).join(""));
  }

  /** Areas from top to bottom between two places each. */
  areas(name, kind, spans, places) {
    const x = (place) => ((place * WIDTH) / places).toFixed(1);
    const area = ([from, to]) => `M${x(from)},0H${x(to)}V${HEIGHT}H${x(from)}z`;
    this.#shape(name, kind).setAttribute("d", spans.map(area).join(""));
  }

  /** An area from left to right between two heights. */
  band(name, kind, low, high) {
    this.#shape(name, kind).setAttribute("d", `M0,${y(low)}V${y(high)}H${WIDTH}V${y(low)}z`);
  }

  /** A horizontal line with a text. */
  rule(name, kind, height, text) {
    this.#shape(name, `line ${kind}`).setAttribute("d", `M0,${y(height)}H${WIDTH}`);
    if (!this.#labels.has(name)) this.#labels.set(name, child(this.#element, "span", "label"));
    const label = this.#labels.get(name);
    label.textContent = text;
    label.style.bottom = `${(100 * height).toFixed(1)}%`;
  }
}

const y = (height) => (HEIGHT * (1 - height)).toFixed(1);

/** The most elements of a code that are shown; the others keep their values. */
export const SHOWN = 2048;

/** The elements of a code as bars, which can be dragged up and down. */
export class Strip {
  #element;
  #bars = [];
  #code = new Uint8Array(0);
  #most = 255;
  #chosen = 0;
  /** The drag in progress: its pointer, and where it began. */
  #grip = null;
  #changed;

  /** Calls `changed` with the code when an element was moved. */
  constructor(element, changed) {
    this.#element = element;
    this.#changed = changed;
    element.addEventListener("pointerdown", (event) => {
      const at = this.#bars.indexOf(event.target);
      if (at < 0 || event.button !== 0 || this.#grip !== null) return;
      event.preventDefault();
      element.focus({ focusVisible: false, preventScroll: true });
      element.setPointerCapture(event.pointerId);
      this.#choose(at);
      const height = Math.max(90, event.target.clientHeight);
      this.#grip = { pointer: event.pointerId, y: event.clientY, value: this.#code[at], height };
    });
    element.addEventListener("pointermove", ({ pointerId, clientY }) => {
      if (pointerId !== this.#grip?.pointer) return;
      const { y, value, height } = this.#grip;
      this.#set(value + ((y - clientY) * this.#most) / height);
    });
    element.addEventListener("lostpointercapture", ({ pointerId }) => {
      if (pointerId === this.#grip?.pointer) this.#grip = null;
    });
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Shows a code: elements from 0 to `most`. */
  show(code, most = 255) {
    this.#code = code.slice();
    this.#most = most;
    const shown = code.subarray(0, SHOWN);
    if (this.#bars.length !== shown.length) {
      this.#element.replaceChildren();
      this.#bars = Array.from(shown, () => child(this.#element, "i"));
      this.#chosen = 0;
      this.#grip = null;
      // In one, two or four lines, by the width of the page. More than 128 elements are scrolled.
      for (const most of [128, 64, 32]) {
        const columns = Math.max(Math.min(most, shown.length), Math.ceil((shown.length * most) / 128));
        this.#element.style.setProperty(`--columns-${most}`, columns);
      }
    }
    shown.forEach((value, i) => this.#fill(i, value));
    this.#choose(this.#chosen);
  }

  #fill(i, value) {
    this.#bars[i].style.setProperty("--value", (value / this.#most).toFixed(3));
  }

  #choose(i) {
    this.#bars[this.#chosen]?.classList.remove("chosen");
    this.#chosen = i;
    this.#bars[i]?.classList.add("chosen");
    const element = this.#element;
    element.setAttribute("aria-valuemax", this.#most);
    element.setAttribute("aria-valuenow", this.#code[i] ?? 0);
    element.setAttribute("aria-valuetext", `element ${i + 1} of ${this.#code.length}: ${this.#code[i] ?? 0}`);
  }

  #set(value) {
    const i = this.#chosen;
    this.#code[i] = Math.min(this.#most, Math.max(0, Math.round(value)));
    this.#fill(i, this.#code[i]);
    this.#choose(i);
    this.#changed(this.#code.slice());
  }

  #key(event) {
    const last = this.#bars.length - 1;
    const step = Math.max(1, Math.round(this.#most / 16));
    const places = { ArrowLeft: -1, ArrowRight: 1 };
    const values = { ArrowUp: step, ArrowDown: -step, PageUp: 4 * step, PageDown: -4 * step };
    if (last < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in places) this.#choose(Math.min(last, Math.max(0, this.#chosen + places[event.key])));
    else if (event.key in values) this.#set(this.#code[this.#chosen] + values[event.key]);
    else if (event.key === "Home") this.#choose(0);
    else if (event.key === "End") this.#choose(last);
    else return;
    event.preventDefault();
    this.#bars[this.#chosen].scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

/** A score between two thresholds, on a logarithmic scale. */
export class Gauge {
  #band;
  #mark;
  #low;
  #high;
  #text;
  #unit;
  #element;

  constructor(element) {
    this.#element = element;
    const track = child(element, "div", "track");
    this.#band = child(track, "div", "band");
    this.#mark = child(track, "div", "mark");
    this.#low = child(element, "span", "low");
    this.#high = child(element, "span", "high");
    this.#text = child(element, "b");
    this.#unit = child(element, "small");
  }

  /** Shows a score, of a network with so many inputs, or that there is none. */
  show(score, { lower, upper }, inputs) {
    const most = largestScore({ inputs });
    for (const part of [this.#band, this.#mark, this.#low, this.#high]) part.hidden = score === null;
    if (score === null) {
      this.#text.textContent = "No score";
      this.#unit.textContent = "";
      this.#element.setAttribute("aria-label", "No score");
      return;
    }
    const place = axis(Math.max(1, lower / 8), most, true);
    const percent = (value) => `${(100 * place(value)).toFixed(2)}%`;
    this.#band.style.left = this.#low.style.left = percent(lower);
    this.#band.style.right = `${(100 - 100 * place(upper)).toFixed(2)}%`;
    this.#high.style.left = `min(${percent(upper)}, 100% - 5em)`;
    this.#mark.style.left = percent(score);
    this.#mark.classList.toggle("outside", score < lower || score > upper);
    this.#low.textContent = lower > 0 ? count(lower) : "";
    this.#high.textContent = upper < UNCALIBRATED ? count(upper) : "";
    const where =
      score > upper ? "above the threshold" : score < lower ? "below the threshold" : "between the thresholds";
    this.#text.textContent = `Score ${count(score)}`;
    this.#unit.textContent = ` = ${count(inputs)} × 255² × error`;
    this.#element.setAttribute("aria-label", `Score of this digit: ${count(score)}, ${where}`);
  }
}
