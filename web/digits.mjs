// The first tab: draw, encode, decode; break the sensor. Its monitor and its learning have modules of their own.

import { $, bytes, count, disable } from "./common.mjs";
import { DeviceError } from "./device.mjs";
import { Learning } from "./learning.mjs";
import { Gauge, Monitor, largestScore } from "./monitor.mjs";
import { Pad, paint } from "./pad.mjs";
import { levels, pack } from "./protocol.mjs";
import { BROKEN, GOOD, SETTINGS, digits, resize, see, shapeOf } from "./sensor.mjs";
import { SHOWN, Strip } from "./strip.mjs";

const NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/** The tab for devices that `boot` makes. It is inert until it has one. */
export class Digits {
  device = null;
  /** The thresholds of the monitor. */
  thresholds;
  testDigits = [];
  #boot;
  #shape;
  #settings = { ...GOOD };
  #sliders = new Map();
  #pad;
  #strip = new Strip($("strip"), (elements) => this.#edit(elements));
  #gauge = new Gauge($("gauge"));
  #monitor = new Monitor(this);
  #learning = new Learning(this);
  /** The last answer of the encoder, and the row that it was given. */
  #row = null;
  #code = null;

  constructor() {
    this.#pad = new Pad($("pad"), () => {
      for (const radio of $("picker").querySelectorAll(":checked")) radio.checked = false;
      this.answer();
    });
    $("clear").onclick = () => this.#pad.clear();
    $("undo").onclick = () => this.answer();
    $("break").onclick = () => this.#set(BROKEN);
    $("repair").onclick = () => this.#set(GOOD);
    this.#makeSliders();
  }

  /** Offers test digits: a label and 784 pixels each. The first one is picked. */
  offer(file) {
    this.testDigits = digits(file);
    for (const [i, { label, image }] of this.testDigits.entries()) {
      const name = document.createElement("label");
      const radio = document.createElement("input");
      const thumb = document.createElement("canvas");
      Object.assign(radio, { type: "radio", name: "digit", value: i, autocomplete: "off" });
      radio.setAttribute("aria-label", `Test digit ${i + 1}, a ${NAMES[label]}`);
      radio.onchange = () => this.#pick(i);
      paint(thumb, image);
      name.append(radio, thumb);
      $("picker").append(name);
    }
    $("picker").querySelector("input").checked = true;
    this.#pad.pick(this.testDigits[0].image);
  }

  #pick(i) {
    this.#pad.pick(this.testDigits[i].image);
    this.answer();
  }

  /** Uses a device, which `boot` makes again after a power cut. */
  use(device, boot) {
    const { kept, thresholds } = device.learn("status");
    const { info } = device;
    [this.device, this.#boot, this.thresholds, this.#shape] = [device, boot, thresholds, shapeOf(info.inputs)];
    const code = info.codeBits === 8 ? bytes(info.code) : `${count(info.code)} elements of ${info.codeBits} bits`;
    $("inputs").textContent = bytes(info.inputs);
    $("lead-inputs").textContent = info.inputs === 1 ? "1 pixel becomes" : `${count(info.inputs)} pixels become`;
    $("lead-code").textContent = code;
    $("code-bytes").textContent = info.code > SHOWN ? `${code}, of which ${count(SHOWN)} are shown` : code;
    this.#learning.begin(kept);
    this.#monitor.begin();
    this.enable();
    this.answer();
    this.#monitor.stream();
    $("digits").inert = false;
  }

  /** Cuts the power: the device boots with what it had kept. */
  restart() {
    this.use(this.#boot(), this.#boot);
  }

  /** Boots again if a device in another tab has changed the flash. */
  follow() {
    if (this.device?.isStale) this.restart();
  }

  /** Shows what a command about learning has changed. Returns the state of the flash. */
  refresh() {
    const { kept, thresholds } = this.device.learn("status");
    const { lower, upper } = this.thresholds;
    this.thresholds = thresholds;
    if (thresholds.lower !== lower || thresholds.upper !== upper) this.#monitor.begin();
    this.enable();
    this.answer();
    this.#monitor.stream();
    return kept;
  }

  get isLearning() {
    return this.#learning.isRunning;
  }

  /** Encodes and decodes what the sensor sees, and shows everything. */
  answer() {
    const began = performance.now();
    const { info } = this.device;
    this.#row = this.sees(this.#pad.image());
    this.#code = this.#ask("encode", this.#row.pixels);
    const code = this.#code?.code ?? new Uint8Array(Math.ceil((info.code * info.codeBits) / 8));
    this.#decode(code);
    const score = this.#code === null ? null : this.#ask("score", this.#row.pixels);
    performance.measure("digit", { start: began, end: performance.now() });
    paint($("sensor"), this.#row);
    this.#strip.show(levels(code, info), 2 ** info.codeBits - 1);
    this.#gauge.show(score, this.thresholds, info);
    disable($("undo"), true, $("strip"));
  }

  /** Decodes the code of the strip, which differs from that of the row. */
  #edit(elements) {
    const { info } = this.device;
    const pixels = this.#decode(pack(elements, info.codeBits));
    const distance = pixels === null || this.#code === null ? null : squaredDistance(pixels, this.#row.pixels);
    this.#gauge.show(distance, this.thresholds, info);
    $("undo").disabled = false;
  }

  /** Decodes a packed code and shows the reconstruction; returns it, or null if the network has no decoder. */
  #decode(code) {
    const { info } = this.device;
    const pixels = this.#ask("decode", { identity: this.#code?.identity ?? info.weights, code });
    paint($("reconstruction"), { ...this.#shape, pixels: pixels ?? new Uint8Array(info.inputs) });
    $("error").textContent =
      pixels === null || this.#code === null
        ? "half a network"
        : `error ${(squaredDistance(pixels, this.#row.pixels) / largestScore(info)).toFixed(4)}`;
    return pixels;
  }

  /** The reply to a command; null if the network lacks the half that it needs. */
  #ask(command, of) {
    try {
      return this.device.request(command, of);
    } catch (error) {
      if (error instanceof DeviceError && error.error.is === "absent") return null;
      throw error;
    }
  }

  // The sensor

  /** What the sensor sees of an image, in the shape of the network's inputs. */
  sees(image) {
    return see(resize(image, this.#shape), this.#settings);
  }

  /** Whether the sensor is as it was when the network was trained. */
  get isWhole() {
    return SETTINGS.every(({ name, good }) => this.#settings[name] === good);
  }

  /** Whether the sensor is turned. */
  get isTurned() {
    return this.#settings.rotation !== GOOD.rotation;
  }

  #makeSliders() {
    for (const { name, label, unit, min, max, step, good } of SETTINGS) {
      const row = document.createElement("label");
      const input = document.createElement("input");
      const output = document.createElement("span"); // no `output`: the slider itself says its value
      Object.assign(input, { type: "range", min, max, step, value: good, autocomplete: "off" });
      input.setAttribute("aria-label", label);
      input.oninput = () => this.#set({ ...this.#settings, [name]: Number(input.value) });
      row.append(label, input, output);
      $("sliders").append(row);
      this.#sliders.set(name, { input, output, unit });
    }
    this.#showSettings();
  }

  #showSettings() {
    for (const [name, { input, output, unit }] of this.#sliders) {
      const value = this.#settings[name];
      input.value = value;
      output.textContent = `${value}${unit}`;
      input.setAttribute("aria-valuetext", `${value}${unit}`);
    }
  }

  #set(settings) {
    this.#settings = { ...settings };
    this.#showSettings();
    this.enable();
    this.answer();
    this.#monitor.stream();
  }

  /** Enables the controls that can be used now. */
  enable() {
    const { isLearning, isWhole } = this;
    for (const { input } of this.#sliders.values()) input.disabled = isLearning;
    for (const id of ["break", "more", "reset"]) $(id).disabled = isLearning;
    disable($("repair"), isLearning || isWhole, $("break"));
    $("strip").inert = isLearning; // each digit that is learned changes the code
    $("learn").textContent = isLearning ? "Stop" : "Learn";
  }
}

const squaredDistance = (a, b) => a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0);
