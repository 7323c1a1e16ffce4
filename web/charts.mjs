// Charts as SVG, whose colours are those of the style sheet. The drawing is stretched to its element, so text is HTML.

const WIDTH = 1000;
const HEIGHT = 100;
const SVG = "http://www.w3.org/2000/svg";

/** An element with a class, as the last child of another. */
export function child(parent, name, kind = "") {
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
    this.#svg.setAttribute("aria-hidden", "true"); // the label of the element describes it
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

  /** A horizontal line. */
  rule(name, kind, height) {
    this.#shape(name, `line ${kind}`).setAttribute("d", `M0,${y(height)}H${WIDTH}`);
  }

  /** A text at this height, beside the drawing. */
  label(name, height, text) {
    if (!this.#labels.has(name)) this.#labels.set(name, child(this.#element, "span", "label"));
    const label = this.#labels.get(name);
    label.textContent = text;
    label.style.bottom = `${(100 * height).toFixed(1)}%`;
  }
}

const y = (height) => (HEIGHT * (1 - height)).toFixed(1);
