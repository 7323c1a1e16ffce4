// The code as a strip of bars, which can be dragged.

import { child } from "./charts.mjs";

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
