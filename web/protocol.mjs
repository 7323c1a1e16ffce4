// The messages between the page and the device, and the frames that carry them: what message.rs, error.rs and frame.rs of
// the device's application define. A message is postcard; a frame is COBS(message | CRC-32, little-endian) | 0.

/** The version of the protocol: message.rs. */
export const VERSION = 6;

/** The number of scores that vote, those outside the thresholds that begin an alarm, and those that end it: monitor.rs. */
export const VOTES = 32;
export const ALARM = 10;
export const CLEAR_AT = 4;
/** The number of repeated rows that are a frozen sensor: monitor.rs. */
export const REPEATS = 32;
/** The most bytes of samples in one command: input.rs. */
export const COMMAND_BYTES = 256;
/** Rows that a run of learning holds out: learn. */
export const HELD_OUT = 8;
/** The upper threshold of a blob that was not calibrated. */
export const UNCALIBRATED = 0xffffffff;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = (byte >>> 1) ^ (byte & 1 ? 0xedb88320 : 0);
  return byte >>> 0;
});

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  byte() {
    if (this.at >= this.bytes.length) throw new Error("the device's answer ends too early");
    return this.bytes[this.at++];
  }

  take(length) {
    if (this.at + length > this.bytes.length) throw new Error("the device's answer ends too early");
    this.at += length;
    return this.bytes.slice(this.at - length, this.at);
  }
}

// A type reads a value from a reader and writes one to an array of bytes.
const byte = { read: (reader) => reader.byte(), write: (out, value) => out.push(value) };
const flag = { read: (reader) => reader.byte() === 1, write: (out, value) => out.push(value ? 1 : 0) };
const nothing = { read: () => null, write: () => {} };

/** An unsigned number, seven bits a byte, lowest first. */
const number = {
  read(reader) {
    for (let value = 0, factor = 1; ; factor *= 128) {
      const next = reader.byte();
      value += (next & 127) * factor;
      if (next < 128) return value;
    }
  },
  write(out, value) {
    for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
    out.push(value);
  },
};

const bytes = {
  read: (reader) => reader.take(number.read(reader)),
  write(out, value) {
    number.write(out, value.length);
    for (const next of value) out.push(next);
  },
};

/** A struct: its fields, in order. */
const fields = (types) => ({
  read: (reader) => Object.fromEntries(Object.entries(types).map(([name, type]) => [name, type.read(reader)])),
  write: (out, value) => Object.entries(types).forEach(([name, type]) => type.write(out, value[name])),
});

/** An enum: a value is `{ is: name, of: contents }`. */
const choice = (types) => {
  const names = Object.keys(types);
  return {
    read(reader) {
      const is = names[number.read(reader)];
      if (is === undefined) throw new Error("the device's answer is not one of this protocol");
      return { is, of: types[is].read(reader) };
    },
    write(out, { is, of }) {
      number.write(out, names.indexOf(is));
      types[is].write(out, of);
    },
  };
};

const result = (ok, err) => choice({ ok, err });
const units = (...names) => choice(Object.fromEntries(names.map((name) => [name, nothing])));
const numbers = (...names) => fields(Object.fromEntries(names.map((name) => [name, number])));

const begin = fields({
  method: units("sgd", "rmsprop", "adam"),
  rate: number,
  batch: byte,
  rows: number,
  passes: byte,
  forced: flag,
});
const learning = choice({
  status: nothing,
  begin,
  row: bytes,
  end: nothing,
  reset: nothing,
  flash: number,
  samples: bytes,
});
const request = fields({
  sequence: number,
  command: choice({
    info: nothing,
    encode: bytes,
    decode: fields({ identity: number, code: bytes }),
    score: bytes,
    usage: nothing,
    monitor: bytes,
    digest: fields({ row: bytes, layers: byte }),
    learn: learning,
    samples: bytes,
    restart: nothing,
  }),
});

const verdict = fields({ above: byte, below: byte, repeats: byte, drifted: flag });
const record = fields({ sequence: number, slot: byte, otherDamaged: flag });
const recordState = choice({
  nothing,
  learned: record,
  base: record,
  otherWeights: numbers("found"),
  damaged: nothing,
});
const storeError = units("capacity", "length", "refused", "flash", "verify", "missing");
const weightsError = choice({
  empty: nothing,
  notABlob: nothing,
  version: numbers("expected", "found"),
  truncated: numbers("expected", "found"),
  crc: numbers("expected", "found"),
  misaligned: nothing,
  topology: nothing,
  format: nothing,
  malformed: nothing,
  accumulator: nothing,
  noRoom: nothing,
  length: numbers("expected", "found"),
  capacity: fields({
    resource: units("activations", "message", "channels", "gradients", "heldOut", "window", "row"),
    needed: number,
    available: number,
  }),
  absent: nothing,
});
const error = choice({
  frame: nothing,
  oversize: nothing,
  crc: nothing,
  malformed: nothing,
  length: numbers("expected", "found"),
  otherWeights: numbers("expected", "found"),
  weights: weightsError,
  absent: nothing,
  frozen: nothing,
  notLearning: nothing,
  store: storeError,
  rowsOnly: nothing,
  noSection: nothing,
  inputs: numbers("expected", "found"),
  channels: numbers("expected", "found"),
});
const observation = fields({ score: number, threshold: number, clipped: number, verdict, row: number });
const reply = choice({
  info: fields({ version: byte, weights: number, inputs: number, code: number, codeBits: byte, staticBytes: number }),
  code: fields({ identity: number, code: bytes }),
  row: bytes,
  score: number,
  usage: numbers("staticBytes", "stackBytes", "spareBytes", "instructions"),
  monitored: fields({ score: number, verdict }),
  digest: numbers("crc", "score"),
  status: fields({ kept: result(recordState, storeError), rows: number, thresholds: numbers("lower", "upper") }),
  learned: fields({ score: number, heldOut: flag }),
  judged: fields({
    before: number,
    after: number,
    kept: result(
      choice({ channels: number, thresholdsOnly: number }),
      units("tooFewRows", "notBetter", "nothingEncoded", "foreign", "clipped"),
    ),
  }),
  flash: bytes,
  sampled: choice({ restarted: numbers("channels", "window", "hop"), incomplete: nothing, observed: observation }),
});
const response = fields({ sequence: number, result: result(reply, error) });

/** The frame of a request. */
export function writeRequest(sequence, command) {
  const message = [];
  request.write(message, { sequence, command });
  const crc = crc32(message);
  message.push(crc & 255, (crc >>> 8) & 255, (crc >>> 16) & 255, crc >>> 24);
  return stuff(message);
}

/** The response in a frame: `{ sequence, result }`. */
export function readResponse(frame) {
  const message = unstuff(frame);
  const end = message.length - 4;
  const view = new DataView(message.buffer, message.byteOffset);
  if (end < 0 || view.getUint32(end, true) !== crc32(message.subarray(0, end))) {
    throw new Error("the device's answer is damaged");
  }
  const reader = new Reader(message.subarray(0, end));
  const value = response.read(reader);
  if (reader.at !== end) throw new Error("the device's answer is not one of this protocol");
  return value;
}

/** Consistent overhead byte stuffing: no zero but the last byte. */
function stuff(message) {
  const out = [0];
  let start = 0;
  for (const next of message) {
    if (next !== 0) out.push(next);
    if (next === 0 || out.length - start === 255) {
      out[start] = out.length - start;
      start = out.length;
      out.push(0);
    }
  }
  out[start] = out.length - start;
  out.push(0);
  return Uint8Array.from(out);
}

function unstuff(frame) {
  const out = [];
  const end = frame.length - 1;
  for (let at = 0; at < end;) {
    const code = frame[at++];
    for (let i = 1; i < code; i++) out.push(frame[at++]);
    if (code < 255 && at < end) out.push(0);
  }
  return Uint8Array.from(out);
}

/** The elements of a packed code, each from 0 to 2^bits - 1: quant/code.rs. */
export function levels(packed, { code, codeBits }) {
  if (codeBits === 8) return packed;
  return Uint8Array.from({ length: code }, (_, i) => {
    const [at, shift] = [Math.floor((i * codeBits) / 8), (i * codeBits) % 8];
    return ((packed[at] | ((packed[at + 1] ?? 0) << 8)) >> shift) & (2 ** codeBits - 1);
  });
}

/** The bytes of a packed code. */
export function pack(levels, bits) {
  if (bits === 8) return levels;
  const packed = new Uint8Array(Math.ceil((levels.length * bits) / 8));
  levels.forEach((level, i) => {
    const [at, shift] = [Math.floor((i * bits) / 8), (i * bits) % 8];
    packed[at] |= level << shift;
    if (shift + bits > 8) packed[at + 1] |= level >> (8 - shift);
  });
  return packed;
}

const hex = (value) => value.toString(16).padStart(8, "0");

const RESOURCES = {
  activations: "bytes of memory for activations",
  message: "bytes for a message",
  channels: "channels that learn",
  gradients: "gradients between layers",
  heldOut: "bytes for the held-out rows",
  window: "numbers for a window and its features",
  row: "bytes for the row of a window",
};

const WEIGHTS_ERRORS = {
  empty: () => "no weights: the blob is empty",
  notABlob: () => "not a weights blob",
  version: (of) => `blob of format version ${of.found}, expected ${of.expected}: export it again`,
  truncated: (of) => `blob truncated: ${of.found} bytes of ${of.expected}`,
  crc: (of) => `blob damaged: its CRC is ${hex(of.found)}, its bytes give ${hex(of.expected)}`,
  misaligned: () => "blob not aligned to 16 bytes",
  topology: () => "blob of another network",
  format: () => "blob of another number format",
  malformed: () => "blob malformed",
  accumulator: () => "weights too large for the integer kernels' accumulators",
  noRoom: () => "buffer too small for the blob",
  length: (of) => `${of.found} elements; the network takes ${of.expected}`,
  capacity: ({ resource, needed, available }) =>
    `network too large: it needs ${needed} ${RESOURCES[resource.is]}; ${available} are available`,
  absent: () => "the network lacks this half: it is an encoder or a decoder alone",
};

const STORE_ERRORS = {
  capacity: "the flash is too small for the learned parameters",
  length: "the channels have another length",
  refused: "the flash refused the address or the alignment",
  flash: "the flash failed",
  verify: "the flash does not keep what is written to it",
  missing: "there is no flash for the learned parameters",
};

const ERRORS = {
  frame: () => "frame damaged: bytes were lost or added",
  oversize: () => "frame longer than any message of this network",
  crc: () => "frame damaged: its CRC does not match",
  malformed: () => "not a message of this protocol",
  length: (of) => `${of.found} bytes; the network takes ${of.expected}`,
  otherWeights: (of) => `code of other weights or channels: ${hex(of.found)}; the device has ${hex(of.expected)}`,
  weights: ({ is, of }) => WEIGHTS_ERRORS[is](of),
  absent: () => "the network on this device has only its other half",
  frozen: () => "this device does not learn",
  notLearning: () => "no run of learning has begun",
  store: ({ is }) => STORE_ERRORS[is],
  rowsOnly: () => "this device takes rows, no samples",
  noSection: () => "blob without an input section: its network takes rows, no samples",
  inputs: (of) => `input section for a network of ${of.found} inputs; this network has ${of.expected}`,
  channels: (of) => `${of.found} numbers; a sample has ${of.expected}, one for each channel`,
};

/** What an error of the device says, in the device's own words. */
export const describeError = ({ is, of }) => ERRORS[is](of);

const REJECTIONS = {
  tooFewRows: "too few different rows to judge by",
  notBetter: "it did not clearly help on the held-out rows",
  nothingEncoded: "its reconstructions do not tell the held-out rows apart",
  foreign:
    "its windows are too different from the training data: the median score of the held-out ones is above 1.5 times the upper threshold of the blob",
  clipped: "its samples are beyond the training data: more than an eighth of the inputs is clipped",
};

/** Why a run of learning was undone. */
export const describeRejection = ({ is }) => REJECTIONS[is];
