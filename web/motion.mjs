// The second tab: the samples of a smartwatch, as a detector of one exercise monitors them.

import { Chart, axis } from "./charts.mjs";
import { $, count, say, still } from "./common.mjs";
import { FROZEN, drawScores, vote } from "./monitor.mjs";
import { ALARM, CLEAR_AT, COMMAND_BYTES, REPEATS } from "./protocol.mjs";

/** The exercise that the detector knows. */
const KNOWN = "ROW";
/** Samples a second. */
export const RATE = 50;
/** How many times as fast as the watch the recordings are played. */
const SPEED = 6;
/** Samples and windows that the charts show. */
const SAMPLES = 400;
const WINDOWS = 120;

export class Motion {
  #device;
  #shape;
  #recordings;
  #exercise = KNOWN;
  #subject;
  /** The recording that is played, and its next sample. */
  #recording = null;
  #at = 0;
  /** The number of the loop that plays; another loop ends. */
  #loop = 0;
  #isPaused = false;
  /** The samples and windows that are shown, oldest first. */
  #samples = [];
  #windows = [];
  #thresholds;
  /** The number of windows of this recording. */
  #seen = 0;
  #charts = Object.fromEntries(["acceleration", "rotation", "scores"].map((id) => [id, new Chart($(id))]));

  /**
   * `shape` is what the device takes, and `csv` the text of recordings: recording, subject, side, exercise, and six
   * numbers.
   */
  constructor(device, shape, csv) {
    this.#device = device;
    this.#shape = shape;
    this.#thresholds = device.learn("status").thresholds;
    this.#recordings = parse(csv, this.#shape.channels);
    this.#makeControls();
    this.#draw();
  }

  #makeControls() {
    for (const radio of $("exercises").querySelectorAll("input")) {
      radio.onchange = () => this.#choose(() => (this.#exercise = radio.value));
    }
    const subjects = [...new Set(this.#recordings.map(({ subject }) => subject))].sort((a, b) => a - b);
    this.#subject = subjects[0];
    $("subject").replaceChildren(...subjects.map((subject) => new Option(subject, subject)));
    $("subject").onchange = () => this.#choose(() => (this.#subject = $("subject").value));
    $("play").onclick = () => this.#pause(!this.#isPaused);
  }

  #choose(change) {
    change();
    this.#recording = null;
    this.#pause(false);
  }

  #pause(isPaused) {
    this.#isPaused = isPaused;
    $("play").textContent = isPaused ? "Play" : "Pause";
    if (isPaused) this.hide();
    else this.show();
  }

  /** The tab is not shown: its stream waits. */
  hide() {
    this.#loop += 1;
  }

  /** The tab is shown: its stream goes on, unless the visitor has paused it. */
  async show() {
    this.#loop += 1;
    const loop = this.#loop;
    let last = performance.now();
    let due = 0;
    while (!this.#isPaused) {
      await new Promise((done) => (still.matches ? setTimeout(done, 250) : requestAnimationFrame(done)));
      if (loop !== this.#loop) return;
      const now = performance.now();
      due = Math.min(due + ((now - last) / 1000) * RATE * SPEED, 200);
      last = now;
      const samples = Math.floor(due);
      due -= samples;
      if (samples > 0) this.#feed(samples);
    }
  }

  /** Gives the device the next samples. */
  #feed(samples) {
    const { channels, hop } = this.#shape;
    const most = Math.min(hop, Math.max(1, Math.floor(COMMAND_BYTES / (4 * channels))));
    while (samples > 0) {
      if (this.#recording === null || this.#at >= this.#recording.length) this.#begin();
      const { values, length } = this.#recording;
      const taken = Math.min(most, samples, length - this.#at);
      const numbers = values.subarray(this.#at * channels, (this.#at + taken) * channels);
      const { is, of } = this.#device.request("samples", bytesOf(numbers));
      if (is === "observed") this.#observe(of);
      for (let i = 0; i < taken; i++) this.#samples.push(numbers.subarray(i * channels, (i + 1) * channels));
      this.#at += taken;
      samples -= taken;
    }
    this.#samples = this.#samples.slice(-SAMPLES);
    this.#draw();
  }

  /** Begins the next recording of the exercise: its samples do not follow those before. */
  #begin() {
    const own = this.#recordings.filter((one) => one.exercise === this.#exercise && one.subject === this.#subject);
    this.#recording = own[(own.indexOf(this.#recording) + 1) % own.length];
    this.#at = 0;
    this.#device.restart();
    this.#samples = [];
    this.#seen = 0;
    $("motion-now").textContent =
      `Recording ${this.#recording.name}: ${(this.#recording.length / RATE).toFixed(0)} s at ${SPEED} times its speed`;
  }

  #observe({ score, verdict }) {
    const { repeats, drifted } = verdict;
    this.#windows = [...this.#windows, { score, exercise: this.#exercise, drifted }].slice(-WINDOWS);
    this.#seen += 1;
    const votes = vote(verdict, this.#seen, "window");
    const report = (kind, text) => say($("motion-verdict"), kind, text);
    if (drifted && repeats === REPEATS) report("alarm", FROZEN);
    else if (drifted) report("alarm", `Alarm, this is not the upright row: ${votes}; the alarm ends at ${CLEAR_AT}.`);
    else if (this.#seen < ALARM) report("", `A recording begins, and with it a vote: ${votes}; ${ALARM} raise the alarm.`);
    else report("calm", `Steady: ${votes}; ${ALARM} raise the alarm.`);
    this.#describe();
  }

  /** Says what the charts show. */
  #describe() {
    const { lower, upper } = this.#thresholds;
    const scores = this.#windows.map(({ score }) => score);
    const above = scores.filter((score) => score > upper).length;
    const below = scores.filter((score) => score < lower).length;
    const name = (id, text) => $(id).setAttribute("aria-label", text);
    name("scores", `Scores of ${scores.length} windows: ${above} above, ${below} below the thresholds`);
    const range = (channel) => {
      const values = this.#samples.map((sample) => sample[channel]);
      return `from ${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
    };
    const ranges = (first) => ["x", "y", "z"].map((axis, i) => `${axis} ${range(first + i)}`).join(", ");
    if (this.#samples.length === 0) return;
    name("acceleration", `Acceleration in g: ${ranges(0)}`);
    name("rotation", `Angular rate in radians a second: ${ranges(3)}`);
  }

  #draw() {
    const { acceleration, rotation, scores } = this.#charts;
    for (const [chart, first, range, tick] of [
      [acceleration, 0, 2.5, 2],
      [rotation, 3, 6, 5],
    ]) {
      const height = axis(-range, range);
      for (const value of [-tick, 0, tick]) {
        chart.rule(String(value), "grid", height(value));
        chart.label(String(value), height(value), String(value));
      }
      for (let channel = 0; channel < 3; channel++) {
        const heights = this.#samples.map((sample) => height(sample[first + channel]));
        chart.line(`channel ${channel}`, `channel-${channel}`, heights, SAMPLES);
      }
    }
    const { lower, upper } = this.#thresholds;
    const spans = (is) => this.#windows.flatMap((window, i) => (is(window) ? [[i, i + 1]] : []));
    scores.areas("other", "other", spans(({ exercise }) => exercise !== KNOWN), WINDOWS);
    scores.areas("alarm", "alarm-area", spans(({ drifted }) => drifted), WINDOWS);
    const all = this.#windows.map(({ score }) => score);
    const height = drawScores(scores, all, this.#thresholds, this.#device.info, WINDOWS);
    scores.label("upper", height(upper), count(upper));
    scores.label("lower", height(lower), lower > 0 ? count(lower) : "");
  }
}

/** Numbers as a message carries them: little-endian `f32`. */
function bytesOf(numbers) {
  const view = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((number, i) => view.setFloat32(4 * i, number, true));
  return new Uint8Array(view.buffer);
}

/** Recordings in the order of the file; a sample has so many channels. */
function parse(csv, channels) {
  const recordings = new Map();
  for (const line of csv.split("\n").slice(1)) {
    const [name, subject, , exercise, ...numbers] = line.split(",");
    if (numbers.length === 0) continue;
    if (!recordings.has(name)) recordings.set(name, { name, subject, exercise, numbers: [] });
    const all = recordings.get(name).numbers;
    for (const number of numbers) all.push(Number(number));
  }
  return Array.from(recordings.values(), ({ numbers, ...rest }) => {
    const values = Float32Array.from(numbers);
    return { ...rest, values, length: values.length / channels };
  });
}
