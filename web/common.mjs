// What several modules of the page use.

import { VOTES } from "./protocol.mjs";

/** The element of this name. */
export const $ = (id) => document.getElementById(id);

/** Whether the visitor wants no motion, as `still.matches`. */
export const still = matchMedia("(prefers-reduced-motion: reduce)");

/** The largest score of a network: each input is wrong by 255. A score divided by it is a mean squared error. */
export const largestScore = ({ inputs }) => 255 ** 2 * inputs;

/** A whole number with commas. */
export const count = (value) => value.toLocaleString("en");

/** A number of bytes. */
export const bytes = (value) => (value === 1 ? "1 byte" : `${count(value)} bytes`);

/** A text as the beginning of a sentence. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** How many of the last scores are outside the thresholds; `seen` scores have voted so far. */
export function vote({ above, below }, seen, thing) {
  const outside = above + below;
  const things = seen === 1 ? thing : `${thing}s`;
  const all = seen < VOTES ? `${count(seen)} ${things} so far` : `the last ${VOTES} ${things}`;
  return `${outside} of ${all} ${outside === 1 ? "is" : "are"} outside the thresholds`;
}

/** Milliseconds after which an announcement is removed, so that it is not read a second time. */
const ANNOUNCED = 3000;

/**
 * Shows a text of a kind. The live region after the element announces it to screen readers, unless the text before was of
 * the same kind.
 */
export function say(element, kind, text) {
  const changed = element.className !== `verdict ${kind}`;
  element.className = `verdict ${kind}`;
  element.textContent = text;
  if (!changed) return;
  const region = element.nextElementSibling;
  region.textContent = text;
  setTimeout(() => {
    if (region.textContent === text) region.textContent = "";
  }, ANNOUNCED);
}

/** Disables a button or enables it. A button that has the focus hands it to a neighbour, so that the keyboard keeps its place. */
export function disable(button, disabled, neighbour) {
  if (disabled && document.activeElement === button) neighbour.focus();
  button.disabled = disabled;
}
