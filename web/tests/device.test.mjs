// The page's own modules without a browser: the same bytes, scores and messages as the application in the tests' process.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Device } from "../device.mjs";
import * as protocol from "../protocol.mjs";
import { BROKEN, digits, resize, see, shapeOf } from "../sensor.mjs";

const { describeError, describeRejection, levels, pack, readResponse } = protocol;
const FOLDER = process.env.PAGE;
const expected = JSON.parse(readFileSync(`${process.env.EXPECTED}/expected.json`));
const file = (name) => new Uint8Array(readFileSync(`${FOLDER}/${name}`));
const module = new WebAssembly.Module(file("device.wasm"));
const kept = new Map();
globalThis.localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => kept.set(key, text) };

test("the module imports nothing, so no panic can be reached", () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
});

test("constants that the page repeats are those of the device", () => {
  for (const [name, value] of Object.entries(expected.constants)) assert.equal(protocol[name], value, name);
});

test("every error of the device is said in the device's words", () => {
  assert.ok(expected.errors.length > 30);
  for (const { frame, text } of expected.errors) {
    const { sequence, result } = readResponse(Buffer.from(frame, "hex"));
    assert.deepEqual([sequence, result.is, describeError(result.of)], [70_000, "err", text]);
  }
});

test("every reason why a run is undone is said in the device's words", () => {
  assert.equal(expected.rejections.length, 5);
  for (const { frame, text } of expected.rejections) {
    const { kept } = readResponse(Buffer.from(frame, "hex")).result.of.of;
    assert.deepEqual([kept.is, describeRejection(kept.of)], ["err", text]);
  }
});

test("levels are in the documented bits of a packed code", () => {
  for (const [codeBits, elements, bytes] of [
    [4, [0, 15, 8, 1, 15], [0xf0, 0x18, 0x0f]],
    [3, [7, 0, 4, 1, 7], [0b0000_0111, 0b0111_0011]],
    [8, [1, 200, 3], [1, 200, 3]],
    [1, [1, 0, 1, 1, 0, 0, 0, 1, 1], [0x8d, 1]],
  ]) {
    assert.deepEqual([...pack(elements, codeBits)], bytes);
    assert.deepEqual([...levels(bytes, { code: elements.length, codeBits })], elements);
  }
});

test("a damaged answer is noticed", () => {
  const frame = Buffer.from(expected.errors[0].frame, "hex");
  for (let i = 0; i < frame.length - 1; i++) {
    const damaged = Uint8Array.from(frame);
    damaged[i] ^= 4;
    assert.throws(() => readResponse(damaged), /the device's answer/, `byte ${i}`);
  }
});

test("what does not fit is refused with the reason, and the device goes on", () => {
  const device = new Device(module, file("classic.int8.blob"));
  assert.throws(() => device.request("encode", new Uint8Array(10)), /^Error: 10 bytes; the network takes 784$/);
  assert.throws(() => device.request("encode", new Uint8Array(5000)), /frame longer than any message of this network/);
  assert.throws(() => device.request("samples", new Uint8Array(4)), /its network takes rows, no samples/);
  assert.equal(device.restart(), null);
  assert.deepEqual(new Device(module, file("watch.int8.blob")).restart(), { channels: 6, window: 64, hop: 16 });
  assert.throws(() => device.learn("end"), /no run of learning has begun/);
  assert.equal(device.request("encode", new Uint8Array(784)).code.length, 128);
  assert.throws(() => new Device(module, new Uint8Array(100)), /no weights: the blob is empty/);
  assert.throws(() => new Device(module, { length: 4_294_900_000 }), /too little memory for .* 4294900000 bytes/);
});

test("learning gives the same scores, verdict and flash as in process, and a new device has what was learned", () => {
  kept.clear();
  const device = new Device(module, file("classic.int8.blob"));
  const images = digits(file("learning.bin")).map(({ image }) => see(image, BROKEN).pixels);
  assert.equal(images.length, expected.learned.scores.length);
  const rows = expected.learned.scores.length - protocol.HELD_OUT;
  device.learn("begin", { method: { is: "adam", of: null }, rate: 10_000, batch: 1, rows, passes: 1, forced: false });
  const scores = images.map((pixels) => device.learn("row", pixels).score);
  assert.deepEqual(scores, expected.learned.scores);
  assert.equal(kept.size, 0);
  const { before, after, kept: saved } = device.learn("end");
  assert.deepEqual(
    [before, after, saved.is === "ok"],
    [expected.learned.before, expected.learned.after, expected.learned.kept],
  );
  const [flash] = kept.values();
  assert.equal(Buffer.from(flash, "base64").toString("hex"), expected.learned.flash);

  const again = new Device(module, file("classic.int8.blob"));
  assert.equal(again.learn("status").kept.of.is, "learned");
  assert.equal(new Device(module, file("classic.int4.blob")).learn("status").kept.of.is, "nothing");
  again.learn("reset");
  assert.equal(new Device(module, file("classic.int8.blob")).learn("status").kept.of.is, "base");
});

test("what the browser has kept may be damaged, of another length, or too much for it", () => {
  kept.clear();
  const blob = file("classic.int8.blob");
  const key = `autoencoder flash ${Buffer.from(blob).readUInt32LE(blob.length - 4).toString(16)}`;
  const flash = Buffer.from(expected.learned.flash, "hex");
  const kinds = {
    nothing: [Buffer.alloc(0), Buffer.alloc(9, 0xff)],
    damaged: [Buffer.alloc(32 * 1024, 7), Buffer.from("AAAA")],
    learned: [flash, Buffer.concat([flash, flash]), flash.subarray(0, flash.length - 100)],
  };
  const booted = (text) => {
    kept.set(key, text);
    return new Device(module, blob).learn("status").kept.of.is;
  };
  for (const [kind, contents] of Object.entries(kinds)) {
    for (const bytes of contents) assert.equal(booted(bytes.toString("base64")), kind);
  }
  assert.equal(booted("?"), "damaged");

  booted(flash.toString("base64"));
  const set = localStorage.setItem;
  localStorage.setItem = () => {
    throw Object.assign(new Error(), { name: "QuotaExceededError" });
  };
  const device = new Device(module, blob);
  assert.equal(device.unsaved, null);
  assert.equal(device.learn("reset").kept.of.is, "base");
  assert.equal(device.unsaved, "QuotaExceededError");
  assert.ok(!device.isStale);
  // As long as the page lasts, a new device has what the storage does not.
  const next = new Device(module, blob);
  assert.deepEqual([next.unsaved, next.isStale], ["QuotaExceededError", false]);
  assert.equal(next.learn("status").kept.of.is, "base");
  // Another tab has stored its own since.
  assert.equal(booted(Buffer.alloc(32 * 1024, 0xff).toString("base64")), "nothing");
  kept.set(key, flash.toString("base64"));
  localStorage.setItem = set;
  device.learn("status"); // tries again
  assert.equal(device.unsaved, null);
  assert.equal(new Device(module, blob).learn("status").kept.of.is, "base");
});

test("a device notices that another one has changed the flash, and bytes after a blob do not make it another", () => {
  kept.clear();
  const blob = file("classic.int8.blob");
  const key = `autoencoder flash ${Buffer.from(blob).readUInt32LE(blob.length - 4).toString(16)}`;
  kept.set(key, Buffer.from(expected.learned.flash, "hex").toString("base64"));
  const [one, other] = [new Device(module, blob), new Device(module, Buffer.concat([blob, Buffer.alloc(20, 0xff)]))];
  one.learn("reset");
  assert.deepEqual([one.isStale, other.isStale, kept.size], [false, true, 1]);
  assert.equal(new Device(module, file("classic.int4.blob")).isStale, false);
});

test("windows of a stream have the same scores as in process", () => {
  const device = new Device(module, file("watch.int8.blob"));
  const lines = gunzipSync(file("subjects-8-10.csv.gz")).toString().split("\n").slice(1);
  const recordings = new Map();
  for (const [name, subject, , , ...numbers] of lines.map((line) => line.split(","))) {
    if (subject === "8") recordings.set(name, [...(recordings.get(name) ?? []), Float32Array.from(numbers)]);
  }
  assert.equal(recordings.size, expected.windows.length);
  for (const [i, samples] of [...recordings.values()].entries()) {
    device.request("restart");
    const replies = samples.map((sample) => device.request("samples", new Uint8Array(sample.buffer)));
    const scores = replies.filter(({ is }) => is === "observed").map(({ of }) => of.score);
    assert.deepEqual(scores, expected.windows[i].scores);
  }
});

test("an image fits any network", () => {
  assert.deepEqual(
    [784, 640, 7, 24, 1].map(shapeOf).map(({ width, height }) => [width, height]),
    [
      [28, 28],
      [32, 20],
      [7, 1],
      [6, 4],
      [1, 1],
    ],
  );
  const image = { width: 4, height: 2, pixels: Uint8Array.of(0, 10, 20, 30, 40, 50, 60, 70) };
  assert.deepEqual([...resize(image, { width: 2, height: 1 }).pixels], [25, 45]);
  assert.deepEqual([...resize(image, { width: 1, height: 2 }).pixels], [15, 55]);
  assert.deepEqual(
    [...resize({ width: 3, height: 1, pixels: Uint8Array.of(0, 90, 30) }, { width: 2, height: 1 }).pixels],
    [30, 50],
  );
  assert.equal(resize(image, { width: 4, height: 2 }), image);
});
