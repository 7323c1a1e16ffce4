// The page: its device, the choice of the network, the tabs, and the resources of a board.

import { $, bytes, count, say, sentence } from "./common.mjs";
import { Device, DeviceError, PREFIX, compile, download, recall, remember } from "./device.mjs";
import { Digits } from "./digits.mjs";
import { Motion, RATE } from "./motion.mjs";
import { SIDE } from "./sensor.mjs";

const BLOBS = { int8: "classic.int8.blob", int4: "classic.int4.blob" };
/** The commands that give the figures of these networks; another option adds those of learning. */
const COMMANDS = {
  int8: "firmware-sim bench [--learning]",
  int4: "firmware-sim bench --weights models/classic.int4.blob [--learning]",
  watch: "firmware-sim bench --weights models/watch.int8.blob",
};
/** The largest blob that is read: a file that is no blob may be much larger. */
const MOST = 512 * 1024 * 1024;
/** Bytes with which each blob begins, which name its format and its length. */
const LEAST = 9;
/** The name under which the browser keeps the choice of the network. */
const CHOICE = `${PREFIX}network`;
/** Files that Learn, the other network and the other tab need. */
const LATER = ["learning.bin", "classic.int4.blob", "classic.int8.blob", "watch.int8.blob", "subjects-8-10.csv.gz"];

let staysSaid = false;

/** Shows a message, or none if the text is empty. It goes with the next choice, unless it stays. */
function complain(text, { stays = false } = {}) {
  staysSaid = stays;
  $("loading").hidden = true;
  $("message").hidden = text === "";
  $("message").querySelector("span").textContent = text;
}

$("message").querySelector("button").onclick = () => {
  complain("");
  document.querySelector("[role=tab][aria-selected=true]").focus(); // the button is gone
};
// What nobody foresaw: better a message than a page that stands still.
addEventListener("error", ({ message }) => complain(message));
addEventListener("unhandledrejection", ({ reason }) => complain(reason?.message ?? String(reason)));

/** Takes a step whose failure the visitor has to know of. Returns whether it went well. */
async function attempt(step) {
  try {
    await step();
    return true;
  } catch (error) {
    complain(`${sentence(error.message)}. Reload the page to try again.`, { stays: true });
    return false;
  }
}

const module = compile("device.wasm");
module.catch(() => {}); // whoever awaits it has the error
const digits = new Digits();
/** Figures of the images, as `bench` has measured them; null until they are there. */
let measured = null;

async function figures() {
  measured ??= JSON.parse(await text("figures.json"));
  return measured;
}

/** The choice in the list of networks, how many choices there were, and the device in use. */
let chosen = recall(CHOICE) === "int4" ? "int4" : "int8";
let choices = 0;
let current = null;
/** The visitor's own file: its name and bytes. */
let own = null;

/** Boots a device of the first tab. Throws if its network takes no images. */
function boot(compiled, blob) {
  const device = new Device(compiled, blob);
  if (device.restart() !== null) throw new Error("its network takes the samples of a sensor, not images");
  return device;
}

function use(choice, device, compiled, blob) {
  current = { choice, info: device.info, length: blob.length };
  digits.use(device, () => new Device(compiled, blob));
  describe();
}

addEventListener("storage", () => digits.follow());
addEventListener("pageshow", () => digits.follow());

/** A table of resources. */
function table(id, rows) {
  const cells = rows.map(([name, value, detail]) => {
    const [row, term, definition, small] = ["div", "dt", "dd", "small"].map((tag) => document.createElement(tag));
    term.textContent = name;
    definition.textContent = `${value} `;
    small.textContent = detail;
    definition.append(small);
    row.append(term, definition);
    return row;
  });
  $(id).replaceChildren(...cells);
}

/** A note with the command that gives the figures. */
function explain(id, text, command) {
  const code = document.createElement("code");
  for (const word of command.split(" ")) {
    const span = document.createElement("span"); // a line does not break within a word
    span.textContent = word;
    code.append(span, " ");
  }
  $(id).replaceChildren(text, code);
}

const shape = ({ inputs, code }) => `${count(inputs)} → ${count(code)} → ${count(inputs)}`;

function describe() {
  if (measured === null) return;
  const { choice, length, info } = current;
  const network = [
    ["Network", shape(info), ""],
    ["Weights", bytes(length), ""],
  ];
  const here = ["Here", "– ms", "for a digit in this browser"];
  if (choice in BLOBS) {
    const { ram, learning_ram, code, learning_code, encode, decode, step } = measured[choice];
    table("facts", [
      ...network,
      ["RAM", bytes(ram), `${count(learning_ram)} to learn`],
      ["Program", bytes(code), `${count(learning_code)} to learn`],
      ["Encode", count(encode), "instructions"],
      ["Decode", count(decode), "instructions"],
      ["Learn", count(step), "instructions a digit"],
      here,
    ]);
    explain("facts-note", "On an emulated Cortex-M4: ", COMMANDS[choice]);
  } else {
    table("facts", [
      ...network,
      ["RAM", bytes(info.staticBytes), "to learn, in this browser, without the stack"],
      ["Program", bytes(measured.int8.learning_code), "to learn, whatever the network"],
      here,
    ]);
    // The command encodes test digits, which fit no other network.
    if (info.inputs === SIDE ** 2) explain("facts-note", "On a Cortex-M4: ", "firmware-sim bench --weights FILE");
    else $("facts-note").textContent = "";
  }
  showTime();
}

/** Shows how long this browser took for the last digits. */
function showTime() {
  const times = performance
    .getEntriesByName("digit")
    .slice(-9)
    .map(({ duration }) => duration);
  const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
  const cell = $("facts").querySelector("div:last-child > dd");
  if (median !== undefined && cell !== null) cell.firstChild.data = `${median.toFixed(1)} ms `;
  performance.clearMeasures("digit");
}

// The choice of the network

/** Loads a network and uses it, unless another one is chosen meanwhile. */
async function choose(choice, name, load) {
  choices += 1;
  const number = choices;
  complain("");
  let compiled, blob, device;
  try {
    [compiled, blob] = await Promise.all([module, load()]);
    if (number !== choices) return;
    device = boot(compiled, blob);
  } catch (error) {
    if (number !== choices) return;
    const hint =
      error instanceof DeviceError && error.error.of?.is === "format" ? "; the device takes integer weights" : "";
    complain(`${name}: ${error.message}${hint}. The device keeps its network.`);
    $("blob").value = chosen;
    return;
  }
  if (choice === "file") {
    own = { name, blob };
    $("blob").querySelector("[value=file]")?.remove();
    $("blob").prepend(new Option(name, "file"));
  } else {
    remember(CHOICE, choice);
  }
  chosen = choice;
  $("blob").value = chosen;
  use(choice, device, compiled, blob);
}

async function read(file) {
  if (file.size > MOST) throw new Error(`${count(file.size)} bytes; a blob has at most ${count(MOST)} here`);
  if (file.size < LEAST) throw new Error(`${bytes(file.size)}: too short for a weights blob`);
  return new Uint8Array(await file.arrayBuffer());
}

$("blob").value = chosen;
$("blob").onchange = () => {
  const choice = $("blob").value;
  if (choice === "own") {
    $("blob").value = chosen;
    $("file").click();
  } else if (choice === "file") {
    choose(choice, own.name, () => own.blob);
  } else {
    choose(choice, $("blob").selectedOptions[0].text, () => download(BLOBS[choice]));
  }
};
$("file").onchange = () => {
  const [file] = $("file").files;
  if (file) choose("file", file.name, () => read(file));
  $("file").value = "";
};

// The tabs

/** The second tab, when it has been opened: a promise, because its files are large. */
let motion = null;

async function show(name) {
  if (!staysSaid) complain("");
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const selected = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
    const panel = tab.getAttribute("aria-controls");
    $(panel).hidden = $(`lead-${panel}`).hidden = !selected;
  }
  if (name !== "motion") {
    motion?.then((it) => it.hide()).catch(() => {}); // `show` has reported it
    return;
  }
  if (motion === null) say($("motion-verdict"), "busy", "Loading the recordings …");
  motion ??= openMotion();
  const opening = motion;
  try {
    const it = await opening;
    if (!$("motion").hidden) it.show();
  } catch (error) {
    if (motion === opening) motion = null; // the next choice of the tab tries again
    say($("motion-verdict"), "alarm", `${sentence(error.message)}. Choose the tab again to retry.`);
  }
}

async function openMotion() {
  const [compiled, blob, csv] = await Promise.all([module, download("watch.int8.blob"), text("subjects-8-10.csv.gz")]);
  const device = new Device(compiled, blob);
  const { info } = device;
  const { front_end, network, step, code, ram } = (await figures()).detector;
  const samples = device.restart();
  const opened = new Motion(device, samples, csv);
  table("motion-facts", [
    ["Network", shape(info), ""],
    ["Weights", bytes(blob.length), ""],
    ["Sample", `${count(samples.channels)} numbers`, `${RATE} times a second`],
    ["Window", `${count(samples.window)} samples`, `one begins every ${count(samples.hop)}`],
    ["RAM", bytes(ram), ""],
    ["Program", bytes(code), ""],
    ["Score", count(front_end + network), "instructions a window"],
    ["Learn", count(front_end + step), "instructions a window"],
  ]);
  explain("motion-facts-note", "On an emulated Cortex-M4: ", COMMANDS.watch);
  $("motion").inert = false;
  return opened;
}

/** The text of a file that is packed by gzip. A server may unpack it on the way. */
async function text(name) {
  const bytes = await download(name);
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const stream = new Blob([bytes]).stream();
  return new Response(packed ? stream.pipeThrough(new DecompressionStream("gzip")) : stream).text();
}

const tabs = [...document.querySelectorAll("[role=tab]")];
for (const [i, tab] of tabs.entries()) {
  tab.onclick = () => show(tab.id.slice("tab-".length));
  tab.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    const next = tabs[(i + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  };
}

// The first answer, and then the rest

const loading = figures();
loading.catch(() => {}); // whoever awaits it has the error

const isReady = await attempt(async () => {
  const [compiled, blob, examples] = await Promise.all([module, download(BLOBS[chosen]), download("digits.bin")]);
  digits.offer(examples);
  use(chosen, boot(compiled, blob), compiled, blob);
  $("loading").hidden = true;
  performance.mark("first answer");
  for (let i = 0; i < 8; i++) digits.answer(); // the first one took longer, because the browser compiled on the way
});
if (isReady) {
  await attempt(async () => {
    await loading;
    describe();
    setInterval(showTime, 500); // not with each digit: the figure would be too quick to read
  });
  // From here on, the page works without its server. What cannot be loaded now is asked for again when it is needed.
  for (const name of LATER) await download(name).catch(() => {});
}
