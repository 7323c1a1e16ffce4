// What several modules of the page use.

/** The element of this name. */
export const $ = (id) => document.getElementById(id);

/** Whether the visitor wants no motion, as `still.matches`. */
export const still = matchMedia("(prefers-reduced-motion: reduce)");

/** A whole number with commas. */
export const count = (value) => value.toLocaleString("en");

/** A number of bytes. */
export const bytes = (value) => (value === 1 ? "1 byte" : `${count(value)} bytes`);

/** A text as the beginning of a sentence. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

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
