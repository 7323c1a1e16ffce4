// The pad on which one draws, as images of MNIST are made: the strokes fit a box of 20 by 20 pixels, whose centre of mass
// is in the centre of 28 by 28.

import { $ } from "./common.mjs";
import { SIDE } from "./sensor.mjs";

const BOX = 20;
/** The width of the pen in a finished image, in pixels. */
const PEN = 2.1;
/** The width of the pen on the pad, whose side is 1. */
const WIDE = 0.075;

export class Pad {
  #canvas;
  #context;
  #small = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  /** Lines that were drawn, each a list of points with coordinates from 0 to 1. */
  #strokes = [];
  /** The digit that was picked instead of drawn. */
  #picked = null;
  #pen = { x: 0.5, y: 0.25, down: false, shown: false };
  /** The pointer that draws; others are ignored meanwhile. */
  #pointer = null;
  #changed;

  /** Calls `changed` with an image after every change. */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#small.canvas.width = this.#small.canvas.height = SIDE;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("lostpointercapture", ({ pointerId }) => {
      if (pointerId === this.#pointer) this.#pointer = null;
    });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => this.#focus(canvas.matches(":focus-visible")));
    canvas.addEventListener("blur", () => this.#focus(false));
  }

  clear() {
    this.#empty(null);
    this.#changed(this.image());
  }

  /** Shows an image of 28 by 28 pixels. */
  pick(image) {
    this.#empty(image);
  }

  /** Removes all strokes. One that is being drawn ends. */
  #empty(picked) {
    this.#strokes = [];
    this.#picked = picked;
    this.#pen.down = false;
    this.#pointer = null;
    this.#draw();
  }

  /** The image of 28 by 28 pixels. */
  image() {
    if (this.#picked !== null) return this.#picked;
    const pixels = new Uint8Array(SIDE * SIDE);
    if (this.#strokes.length === 0) return { width: SIDE, height: SIDE, pixels };
    const points = this.#strokes.flat();
    const [left, right] = extent(points.map(({ x }) => x));
    const [top, bottom] = extent(points.map(({ y }) => y));
    // A dot and a short line keep their size.
    const scale = (BOX - PEN) / Math.max(right - left, bottom - top, 0.35);
    const place = { scale, x: SIDE / 2 - (scale * (left + right)) / 2, y: SIDE / 2 - (scale * (top + bottom)) / 2 };
    const centred = this.#render(place);
    const { x, y } = centreOfMass(centred);
    place.x += Math.round(SIDE / 2 - 0.5 - x);
    place.y += Math.round(SIDE / 2 - 0.5 - y);
    pixels.set(this.#render(place));
    return { width: SIDE, height: SIDE, pixels };
  }

  #render({ scale, x, y }) {
    const context = this.#small;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, SIDE, SIDE);
    context.setTransform(scale, 0, 0, scale, x, y);
    stroke(context, this.#strokes, PEN / scale, "#fff");
    const rgba = context.getImageData(0, 0, SIDE, SIDE).data;
    return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => rgba[4 * i + 3]);
  }

  #draw() {
    const { width } = this.#canvas;
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    this.#context.clearRect(0, 0, width, width);
    if (this.#picked !== null) {
      this.#context.imageSmoothingEnabled = false;
      paint(this.#small.canvas, this.#picked);
      this.#context.drawImage(this.#small.canvas, 0, 0, width, width);
    }
    this.#context.setTransform(width, 0, 0, width, 0, 0);
    stroke(this.#context, this.#strokes, WIDE, "#fff");
    const { x, y, down, shown } = this.#pen;
    if (!shown) return;
    this.#context.beginPath();
    this.#context.arc(x, y, WIDE / 2, 0, 2 * Math.PI);
    this.#context.strokeStyle = this.#context.fillStyle = "#5cc8b5";
    this.#context.lineWidth = 0.012;
    if (down) this.#context.fill();
    this.#context.stroke();
  }

  #add(point, begin) {
    if (this.#picked !== null || begin) {
      if (this.#picked !== null) this.#strokes = [];
      this.#picked = null;
      this.#strokes.push([]);
    }
    this.#strokes.at(-1).push(point);
  }

  #update() {
    this.#draw();
    this.#changed(this.image());
  }

  #point(event) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return { x: clamp((event.clientX - left) / width), y: clamp((event.clientY - top) / height) };
  }

  #begin(event) {
    if (event.button !== 0 || this.#pointer !== null) return;
    event.preventDefault();
    this.#canvas.focus({ focusVisible: false });
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#pen.shown = this.#pen.down = false;
    this.#add(this.#point(event), true);
    this.#update();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) this.#add(this.#point(each), false);
    this.#update();
  }

  #key(event) {
    const pen = this.#pen;
    const step = 1 / SIDE;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      pen.x = clamp(pen.x + moves[event.key][0]);
      pen.y = clamp(pen.y + moves[event.key][1]);
      if (pen.down) this.#add({ x: pen.x, y: pen.y }, false);
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) this.#add({ x: pen.x, y: pen.y }, true);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.#empty(null);
    } else {
      return;
    }
    event.preventDefault();
    pen.shown = true;
    const [column, row] = [pen.x, pen.y].map((place) => Math.round(place * SIDE));
    const is = this.#strokes.length === 0 && this.#picked === null ? "Empty pad, pen" : "Pen";
    $("pen").textContent = `${is} ${pen.down ? "down" : "up"} at column ${column}, row ${row}`;
    if (event.key in moves && !pen.down) this.#draw();
    else this.#update();
  }

  #focus(shown) {
    this.#pen.shown = shown;
    if (!shown) this.#pen.down = false;
    this.#draw();
  }
}

const clamp = (place) => Math.min(1, Math.max(0, place));

/** The least and the largest number. A drawing has too many points for the arguments of one call. */
const extent = (numbers) => numbers.reduce(([least, most], x) => [Math.min(least, x), Math.max(most, x)], [1, 0]);

function centreOfMass(pixels) {
  let [sum, x, y] = [0, 0, 0];
  pixels.forEach((pixel, i) => {
    sum += pixel;
    x += pixel * (i % SIDE);
    y += pixel * Math.floor(i / SIDE);
  });
  return sum === 0 ? { x: SIDE / 2 - 0.5, y: SIDE / 2 - 0.5 } : { x: x / sum, y: y / sum };
}

function stroke(context, strokes, width, style) {
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = style;
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(points[0].x, points[0].y);
    for (const { x, y } of points) context.lineTo(x, y);
    context.stroke();
  }
}

/** The most times that an image may be as wide as it is high. */
const LONGEST = 8;

/** Paints an image, 0 black to 255 white, in its own size. A long row is broken into lines, to be seen at all. */
export function paint(canvas, image) {
  const { pixels } = image;
  let { width, height } = image;
  if (width > LONGEST * height) {
    width = Math.ceil(Math.sqrt(pixels.length));
    height = Math.ceil(pixels.length / width);
  }
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const rgba = new Uint8ClampedArray(4 * width * height);
  pixels.forEach((pixel, i) => rgba.fill(pixel, 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4));
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
}
