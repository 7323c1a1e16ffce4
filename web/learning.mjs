// Learning: a run over training digits as the sensor sees them, and what the device keeps.

import { Chart, axis } from "./charts.mjs";
import { $, count, say, sentence } from "./common.mjs";
import { download } from "./device.mjs";
import { largestScore } from "./monitor.mjs";
import { HELD_OUT, describeRejection } from "./protocol.mjs";
import { digits } from "./sensor.mjs";

const ADAM = { is: "adam", of: null };
/** Milliseconds of a frame in which the device works. */
const SHARE = 12;
/** The errors of the chart, and the number of errors in each mean. */
const ERRORS = axis(2e-4, 3, true);
const MEAN_OF = 25;

export class Learning {
  #tab;
  #digits = null;
  #chart = new Chart($("chart"));
  /** The run in progress, or null. */
  #run = null;

  /** `tab` has the device, the test digits and the sensor. */
  constructor(tab) {
    this.#tab = tab;
    $("learn").onclick = () => (this.isRunning ? this.#stop() : this.#learn());
    $("reset").onclick = () => this.#reset();
    this.#draw([]);
  }

  get isRunning() {
    return this.#run !== null;
  }

  /** The tab uses another device, whose flash is in this state. A run in progress ends. */
  begin(kept) {
    this.#run = null;
    this.#describe(kept);
    this.#draw([]);
  }

  async #learn() {
    const run = Symbol("run");
    this.#run = run;
    this.#tab.enable();
    this.#draw([]);
    say($("learned"), "busy", "Preparing …");
    let result;
    try {
      result = await this.#train(run);
    } catch (error) {
      if (this.#run !== run) return; // it was stopped
      this.#tab.restart();
      say($("learned"), "alarm", `${sentence(error.message)}.`);
      return;
    }
    this.#run = null;
    this.#tab.refresh();
    say($("learned"), ...result);
  }

  /** Learns, and returns the kind and the text of the result. Throws if the run is stopped. */
  async #train(run) {
    const { device, testDigits } = this.#tab;
    this.#digits ??= digits(await download("learning.bin"));
    const before = await this.#error(run);
    const rows = this.#digits.length - HELD_OUT;
    device.learn("begin", { method: ADAM, rate: 10_000, batch: 1, rows, passes: 1, forced: false });
    const errors = [];
    const step = (pixels) => errors.push(device.learn("row", pixels).score / largestScore(device.info));
    await this.#each(run, this.#digits, step, () => {
      this.#draw(errors);
      this.#tab.answer();
      say($("learned"), "busy", `Digit ${count(errors.length)} of ${count(this.#digits.length)} …`);
    });
    const after = await this.#error(run); // before the end: a run that is stopped here keeps nothing either
    const { kept } = device.learn("end");
    if (kept.is === "err") return ["alarm", `Undone: ${describeRejection(kept.of)}.`];
    const [from, to] = [before, after].map((error) => error.toPrecision(2));
    const change = `On ${testDigits.length} other digits, the error went from ${from} to ${to}.`;
    if (device.unsaved === null) return ["calm", `Learned, and kept in its flash. ${change}`];
    return ["alarm", `Learned, until the page is closed: ${this.#unsaved()}. ${change}`];
  }

  /**
   * Takes a step for each digit as the sensor sees it. After each share of a frame, shows something and lets the page draw.
   * Throws if the run is stopped meanwhile.
   */
  async #each(run, digits, step, show = () => {}) {
    for (let i = 0; i < digits.length;) {
      if (this.#run !== run) throw new Error("stopped");
      const frame = performance.now();
      do step(this.#tab.sees(digits[i++].image).pixels);
      while (i < digits.length && performance.now() - frame < SHARE);
      show();
      await new Promise((done) => requestAnimationFrame(done));
    }
    if (this.#run !== run) throw new Error("stopped");
  }

  /** The mean squared error of the test digits as the sensor sees them. */
  async #error(run) {
    const { device, testDigits } = this.#tab;
    let sum = 0;
    await this.#each(run, testDigits, (pixels) => (sum += device.request("score", pixels)));
    return sum / (largestScore(device.info) * testDigits.length);
  }

  /** Cuts the power: the device boots with what it had kept. */
  #stop() {
    this.#tab.restart();
    say($("learned"), "", "Stopped: nothing of this run is kept.");
  }

  #reset() {
    let problem = null;
    try {
      this.#tab.device.learn("reset");
    } catch (error) {
      problem = error;
    }
    this.#draw([]);
    this.#describe(this.#tab.refresh());
    if (problem !== null) say($("learned"), "alarm", `${sentence(problem.message)}.`);
  }

  /** The state of the flash in words. */
  #describe(kept) {
    const state = kept.is === "ok" ? kept.of : null;
    const show = (kind, text) => say($("learned"), kind, text);
    const { device, isWhole } = this.#tab;
    if (device.unsaved !== null) {
      const has = state?.is === "learned" ? "has what it learned" : "has forgotten what it learned";
      show("alarm", `It ${has}, until the page is closed: ${this.#unsaved()}.`);
    } else if (state?.is === "learned") {
      const hint = isWhole ? "The sensor is whole again: break it as before, or reset." : "Reset discards it.";
      show("calm", `What it learned is still in its flash. ${hint}`);
    } else if (state?.is === "base") {
      show("", "It has forgotten what it learned, and works as when it was new.");
    } else if (state?.is === "nothing") {
      show("", "It has learned nothing yet. Break the sensor, then let it learn.");
    } else {
      show("alarm", "What it had learned cannot be read. Reset erases it.");
    }
  }

  #unsaved() {
    return `the browser stores nothing (${this.#tab.device.unsaved})`;
  }

  /** Draws the error of each digit, and the mean of the last ones. */
  #draw(errors) {
    const means = [];
    let sum = 0;
    errors.forEach((error, i) => {
      sum += error - (errors[i - MEAN_OF] ?? 0);
      means.push(ERRORS(sum / Math.min(i + 1, MEAN_OF)));
    });
    for (const error of [1, 0.1, 0.01, 0.001]) {
      this.#chart.rule(String(error), "grid", ERRORS(error));
      this.#chart.label(String(error), ERRORS(error), error === 1 ? "error 1" : String(error));
    }
    const places = this.#digits?.length ?? 2;
    this.#chart.line("each", "faint", errors.map(ERRORS), places);
    this.#chart.line("mean", "strong", means, places);
  }
}
