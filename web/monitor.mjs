// The drift monitor: scores between their thresholds, the vote over them, and a stream of test digits as the sensor sees them.

import { Chart, axis, child } from "./charts.mjs";
import { $, count, say, still } from "./common.mjs";
import { DeviceError } from "./device.mjs";
import { ALARM, CLEAR_AT, REPEATS, UNCALIBRATED, VOTES } from "./protocol.mjs";

const TURNED = "Turned strokes look known: an alarm comes late or never.";
/** What is said of a sensor that the rule for repetition has found. */
export const FROZEN = "The sensor is frozen: it repeats what it shows.";
/** Milliseconds between two digits. */
const PACE = 28;

/** The largest score of a network: each input is wrong by 255. A score divided by it is a mean squared error. */
export const largestScore = ({ inputs }) => 255 ** 2 * inputs;

/** The axis of the scores of a network. */
const scoreAxis = ({ lower }, info) => axis(Math.max(1, lower / 8), largestScore(info), true);

/** Draws scores as bars, which tell those between the thresholds from those outside. Returns the axis. */
export function drawScores(chart, scores, thresholds, info, places) {
  const { lower, upper } = thresholds;
  const height = scoreAxis(thresholds, info);
  const kinds = {
    bar: (score) => score >= lower && score <= upper,
    "bar above": (score) => score > upper,
    "bar below": (score) => score < lower,
  };
  for (const [kind, is] of Object.entries(kinds)) {
    const heights = scores.map((score) => (is(score) ? height(score) : null));
    chart.bars(kind, kind, heights, places);
  }
  chart.rule("upper", "rule", height(upper));
  chart.rule("lower", "rule", height(lower));
  return height;
}

/** How many of the last scores are outside the thresholds; `seen` scores have voted so far. */
export function vote({ above, below }, seen, thing) {
  const outside = above + below;
  if (seen === 1) return `the first ${thing} is ${outside === 1 ? "outside" : "between"} the thresholds`;
  const all = seen < VOTES ? `the first ${count(seen)}` : `the last ${VOTES}`;
  return `${outside} of ${all} ${thing}s ${outside === 1 ? "is" : "are"} outside the thresholds`;
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

  /** Shows a score of a network, or that there is none. */
  show(score, thresholds, info) {
    const { lower, upper } = thresholds;
    for (const part of [this.#band, this.#mark, this.#low, this.#high]) part.hidden = score === null;
    if (score === null) {
      this.#text.textContent = "No score";
      this.#unit.textContent = "";
      this.#element.setAttribute("aria-label", "No score");
      return;
    }
    const place = scoreAxis(thresholds, info);
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
    this.#unit.textContent = ` = ${count(info.inputs)} × 255² × error`;
    this.#element.setAttribute("aria-label", `Score of this digit: ${count(score)}, ${where}`);
  }
}

export class Monitor {
  #tab;
  #chart = new Chart($("vote"));
  /** The last scores of the stream. */
  #scores = [];
  #toSend = 0;
  #isStreaming = false;
  #next = 0;

  /** `tab` has the device, its thresholds, the test digits and the sensor. */
  constructor(tab) {
    this.#tab = tab;
    $("more").onclick = () => this.stream();
  }

  /** Begins with no scores: the device or its thresholds are others. */
  begin() {
    this.#scores = [];
    $("vote").setAttribute("aria-label", `The last ${VOTES} scores: none yet`);
    this.#draw();
  }

  /** Gives the monitor 32 digits, after which no earlier score is left. */
  async stream() {
    this.#toSend = VOTES;
    if (this.#isStreaming) return; // the loop in progress gives them
    const { device } = this.#tab;
    const goesOn = () => this.#toSend > 0 && this.#tab.device === device && !this.#tab.isLearning;
    this.#isStreaming = true;
    try {
      while (goesOn() && this.#step(device)) {
        this.#toSend -= 1;
        if (!still.matches) await new Promise((done) => setTimeout(done, PACE));
      }
    } finally {
      this.#isStreaming = false;
    }
    if (this.#tab.device !== device && !this.#tab.isLearning) this.stream();
  }

  #step(device) {
    const { testDigits } = this.#tab;
    const { image } = testDigits[this.#next++ % testDigits.length];
    try {
      const { score, verdict } = device.request("monitor", this.#tab.sees(image).pixels);
      this.#scores = [...this.#scores, score].slice(-VOTES);
      this.#draw();
      this.#judge(verdict);
      return true;
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      say($("verdict"), "", `No scores: ${error.message}.`);
      return false;
    }
  }

  #draw() {
    const { thresholds, device } = this.#tab;
    const { lower, upper } = thresholds;
    const height = scoreAxis(thresholds, device.info);
    this.#chart.band("known", "band", height(lower), height(upper));
    drawScores(this.#chart, this.#scores, thresholds, device.info, VOTES);
    this.#chart.label("above", (height(upper) + 1) / 2, upper < UNCALIBRATED ? "above" : "");
    this.#chart.label("below", height(lower) / 2, lower > 0 ? "below" : "");
  }

  #judge(verdict) {
    const { above, below, repeats, drifted } = verdict;
    const votes = vote(verdict, this.#scores.length, "digit");
    $("vote").setAttribute("aria-label", `The last ${VOTES} scores: ${above} above, ${below} below the thresholds`);
    if (drifted && repeats === REPEATS) say($("verdict"), "alarm", FROZEN);
    else if (this.#tab.thresholds.upper === UNCALIBRATED)
      say($("verdict"), "", "This blob has no thresholds: only a frozen sensor is noticed.");
    else if (drifted) say($("verdict"), "alarm", `The sensor has changed: ${votes}; the alarm ends at ${CLEAR_AT}.`);
    else if (this.#scores.length < ALARM) say($("verdict"), "", `A vote begins: ${votes}; ${ALARM} raise the alarm.`);
    else if (this.#tab.isTurned)
      // Their scores are little higher: docs/design.md has the figures of `rotate`.
      say($("verdict"), "", `No alarm: ${votes}; ${ALARM} raise it. ${TURNED}`);
    else say($("verdict"), "calm", `All is well: ${votes}; ${ALARM} raise the alarm.`);
  }
}
