// The drift monitor: a stream of test digits as the sensor sees them, and the vote over their scores.

import { Chart, axis } from "./charts.mjs";
import { $, largestScore, say, still, vote } from "./common.mjs";
import { DeviceError } from "./device.mjs";
import { ALARM, CLEAR_AT, REPEATS, UNCALIBRATED, VOTES } from "./protocol.mjs";

const TURNED = "Turned strokes look known: an alarm comes late or never.";
/** Milliseconds between two digits. */
const PACE = 28;

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
    const height = axis(Math.max(1, lower / 8), largestScore(device.info), true);
    const heights = (which) => this.#scores.map((score) => (which(score) ? height(score) : null));
    const kinds = {
      bar: (score) => score >= lower && score <= upper,
      "bar above": (score) => score > upper,
      "bar below": (score) => score < lower,
    };
    this.#chart.band("known", "band", height(lower), height(upper));
    for (const [kind, which] of Object.entries(kinds)) this.#chart.bars(kind, kind, heights(which), VOTES);
    this.#chart.rule("upper", "rule", height(upper), "");
    this.#chart.rule("lower", "rule", height(lower), "");
  }

  #judge(verdict) {
    const { above, below, repeats, drifted } = verdict;
    const votes = vote(verdict, this.#scores.length, "digit");
    $("vote").setAttribute("aria-label", `The last ${VOTES} scores: ${above} above, ${below} below the thresholds`);
    if (drifted && repeats === REPEATS) say($("verdict"), "alarm", "The sensor is frozen: it repeats what it shows.");
    else if (this.#tab.thresholds.upper === UNCALIBRATED)
      say($("verdict"), "", "This blob has no thresholds: only a frozen sensor is noticed.");
    else if (drifted) say($("verdict"), "alarm", `The sensor has changed: ${votes}; the alarm ends at ${CLEAR_AT}.`);
    else if (this.#scores.length < ALARM) say($("verdict"), "", `${votes}; ${ALARM} raise the alarm.`);
    else if (this.#tab.isTurned)
      // Their scores are little higher: docs/design.md has the figures of `rotate`.
      say($("verdict"), "", `No alarm: ${votes}; ${ALARM} raise it. ${TURNED}`);
    else say($("verdict"), "calm", `All is well: ${votes}; ${ALARM} raise the alarm.`);
  }
}
