// A device: the application of the firmware as WebAssembly. It takes and gives the frames of a serial line. Its flash is
// kept in the browser's storage.

import { VERSION, describeError, readResponse, writeRequest } from "./protocol.mjs";

/** The names of all that the browser keeps begin so: another page of the same server may keep something too. */
export const PREFIX = "autoencoder ";

/** The device refused a command; the message is the device's reason. */
export class DeviceError extends Error {
  constructor(error) {
    super(describeError(error));
    this.error = error;
  }
}

async function load(name) {
  const response = await fetch(name).catch((error) => {
    throw new Error(`cannot load ${name}: ${error.message}`);
  });
  if (!response.ok) throw new Error(`cannot load ${name}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Files that have been asked for. */
const files = new Map();

/** A file of this page, which is loaded once. One that could not be loaded is asked for again. */
export function download(name) {
  if (!files.has(name)) {
    const file = load(name);
    files.set(name, file);
    file.catch(() => files.delete(name));
  }
  return files.get(name);
}

/** Compiles the module, once for all devices. */
export const compile = async (name) => WebAssembly.compile(await download(name));

/**
 * Flashes that the browser did not store, by their keys: the contents, the reason, and what the storage had instead. They
 * last as long as the page.
 */
const unstored = new Map();

export class Device {
  #exports;
  #device;
  #flash;
  #key;
  /** What the storage had when this device last read or wrote it. */
  #stored;
  #sequence = 0;
  /** Why the storage does not have the flash, in a word; null if it has it. */
  unsaved = null;

  /** Boots a device with a blob and what an earlier device with this blob has kept. `bytes` is a Uint8Array. */
  constructor(module, bytes) {
    this.#exports = new WebAssembly.Instance(module).exports;
    const { create, blob, open, flash, flash_bytes, boot } = this.#exports;
    this.#device = create(bytes.length);
    if (this.#device !== 0) this.#memory(blob(this.#device), bytes.length).set(bytes);
    if (this.#device === 0 || !open(this.#device)) {
      throw new Error(`this browser has too little memory for the network of a blob of ${bytes.length} bytes`);
    }
    this.#key = `${PREFIX}flash ${checksum(bytes).toString(16)}`;
    this.#flash = this.#memory(flash(this.#device), flash_bytes(this.#device));
    this.#stored = recall(this.#key);
    const own = unstored.get(this.#key);
    // A device in another tab may have stored its flash since.
    const isOwn = own !== undefined && own.instead === this.#stored;
    if (isOwn) this.unsaved = own.reason;
    else unstored.delete(this.#key);
    const text = isOwn ? own.text : this.#stored;
    // Whatever it is: the device finds out whether its records are whole.
    if (text !== null) this.#flash.set(decode(text).subarray(0, this.#flash.length));
    boot(this.#device);
    this.info = this.request("info");
    if (this.info.version !== VERSION) {
      throw new Error(`the files of this page are of two versions: protocol ${this.info.version} and ${VERSION}`);
    }
  }

  #memory(at, length) {
    return new Uint8Array(this.#exports.memory.buffer, at, length);
  }

  /** Sends a frame, byte for byte, and returns the frame that answers it. */
  exchange(frame) {
    const { line, line_bytes, exchange } = this.#exports;
    const at = line(this.#device);
    const most = line_bytes(this.#device);
    for (let sent = 0; sent < frame.length; sent += most) {
      const piece = frame.subarray(sent, sent + most);
      this.#memory(at, most).set(piece);
      const length = exchange(this.#device, piece.length);
      if (length > 0) return this.#memory(at, length).slice();
    }
    throw new Error("the device does not answer");
  }

  /** Sends a command and returns the contents of its reply. Throws a DeviceError if the device refuses. */
  request(is, of = null) {
    this.#sequence += 1;
    const { sequence, result } = readResponse(this.exchange(writeRequest(this.#sequence, { is, of })));
    if (result.is === "err") throw new DeviceError(result.of);
    if (sequence !== this.#sequence) throw new Error("the device answered another request");
    return result.of.of;
  }

  /**
   * Begins a stream of samples. Returns what the network takes: channels, samples of a window, and samples between the
   * beginnings of two windows; or null if it takes rows.
   */
  restart() {
    try {
      return this.request("restart").of;
    } catch (error) {
      if (error instanceof DeviceError && error.error.is === "noSection") return null;
      throw error;
    }
  }

  /** Sends a command about learning. If the flash has changed, the browser keeps it, or `unsaved` says why not. */
  learn(is, of = null) {
    const before = is === "row" ? null : this.#flash.slice();
    try {
      return this.request("learn", { is, of });
    } finally {
      const isChanged = before?.some((byte, at) => byte !== this.#flash[at]);
      if (isChanged || (before !== null && this.unsaved !== null)) this.#store();
    }
  }

  #store() {
    const text = encode(this.#flash);
    this.unsaved = remember(this.#key, text);
    if (this.unsaved === null) {
      this.#stored = text;
      unstored.delete(this.#key);
    } else {
      unstored.set(this.#key, { text, reason: this.unsaved, instead: this.#stored });
    }
  }

  /** Whether the storage has another flash than this device, because a device in another tab has changed it. */
  get isStale() {
    return recall(this.#key) !== this.#stored;
  }
}

/** The CRC-32 with which a blob ends. Its length is at byte 5; bytes after it are ignored. */
function checksum(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length < 9 ? 0 : view.getUint32(5, true);
  return end < 4 || end > bytes.length ? 0 : view.getUint32(end - 4, true);
}

/** What the browser has stored under this name; null if there is nothing, or if the storage is blocked. */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Stores a text. Returns null, or the name of the error if the storage is blocked or full. */
export function remember(key, text) {
  try {
    localStorage.setItem(key, text);
    return null;
  } catch (error) {
    return error.name;
  }
}

function encode(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** The bytes of a stored text. A text that is not one of `encode` gives a zero, which is no flash either. */
function decode(text) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array(1);
  }
}
