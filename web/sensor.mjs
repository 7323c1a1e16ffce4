// What a sensor does to an image: the shifts of `firmware-sim monitor --shift`, each with a strength.

/** The side of a digit, in pixels. */
export const SIDE = 28;

/** The digits of a file: for each its label, a byte, and its pixels. */
export function digits(bytes) {
  const size = 1 + SIDE * SIDE;
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => {
    const digit = bytes.subarray(i * size, (i + 1) * size);
    return { label: digit[0], image: { width: SIDE, height: SIDE, pixels: digit.subarray(1) } };
  });
}

/** Each setting: its name, its range, and its value in a sensor that works. */
export const SETTINGS = [
  { name: "gain", label: "Gain", unit: " %", min: 0, max: 200, step: 5, good: 100 },
  { name: "offset", label: "Offset", unit: " %", min: -50, max: 50, step: 5, good: 0 },
  { name: "columns", label: "Stuck columns", unit: "", min: 0, max: 8, step: 1, good: 0 },
  { name: "rotation", label: "Rotation", unit: "°", min: -180, max: 180, step: 15, good: 0 },
  { name: "inversion", label: "Inversion", unit: " %", min: 0, max: 100, step: 5, good: 0 },
];

export const GOOD = Object.fromEntries(SETTINGS.map(({ name, good }) => [name, good]));
/** `--shift gain-offset`: less contrast, more light, two stuck columns. */
export const BROKEN = { ...GOOD, gain: 60, offset: 20, columns: 2 };

/** The first stuck column, and its value. */
const STUCK = { column: 10, value: 255 };

/** What the sensor sees of an image: `{ width, height, pixels }`, rows of bytes from the top. */
export function see(image, { gain, offset, columns, rotation, inversion }) {
  const { width, height } = image;
  const pixels = rotation === 0 ? image.pixels.slice() : rotate(image, rotation);
  for (let i = 0; i < pixels.length; i++) {
    const lit = clamp(Math.floor((gain * pixels[i] + offset * 255 + 50) / 100));
    const shown = Math.floor(((100 - inversion) * lit + inversion * (255 - lit) + 50) / 100);
    const column = i % width;
    const first = Math.max(0, Math.min(STUCK.column, width - columns));
    pixels[i] = column >= first && column < first + columns ? STUCK.value : shown;
  }
  return { width, height, pixels };
}

const clamp = (value) => Math.min(255, Math.max(0, value));

/** An image turned clockwise about its centre. Between pixels, it is interpolated; quarter turns are exact. */
function rotate({ width, height, pixels }, degrees) {
  const cos = exact(Math.cos((degrees * Math.PI) / 180));
  const sin = exact(Math.sin((degrees * Math.PI) / 180));
  const [cx, cy] = [(width - 1) / 2, (height - 1) / 2];
  const at = (x, y) => (x >= 0 && x < width && y >= 0 && y < height ? pixels[y * width + x] : 0);
  return Uint8Array.from(pixels, (_, i) => {
    const [dx, dy] = [(i % width) - cx, Math.floor(i / width) - cy];
    const [x, y] = [cx + cos * dx + sin * dy, cy - sin * dx + cos * dy];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [u, v] = [x - left, y - top];
    const upper = (1 - u) * at(left, top) + u * at(left + 1, top);
    const lower = (1 - u) * at(left, top + 1) + u * at(left + 1, top + 1);
    return Math.round((1 - v) * upper + v * lower);
  });
}

/** A sine or cosine of a quarter turn without its rounding error. */
const exact = (value) => (Math.abs(value - Math.round(value)) < 1e-12 ? Math.round(value) : value);

/** The shape in which a network's inputs are drawn: as near to a square as possible. */
export function shapeOf(inputs) {
  let height = Math.floor(Math.sqrt(inputs));
  while (inputs % height !== 0) height -= 1;
  return { width: inputs / height, height };
}

/** An image in another size. A pixel is the mean of the area that it covers. */
export function resize(image, { width, height }) {
  if (image.width === width && image.height === height) return image;
  const down = resample(transpose(image.pixels, image.width, image.height), image.height, image.width, height);
  const across = resample(transpose(down, height, image.width), image.width, height, width);
  return { width, height, pixels: Uint8Array.from(across, Math.round) };
}

/** Rows of `from` numbers, each with `to` means of them. */
function resample(numbers, from, rows, to) {
  const means = new Float64Array(rows * to);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < to; i++) {
      const [start, end] = [(i * from) / to, ((i + 1) * from) / to];
      for (let k = Math.floor(start); k < end; k++) {
        const covered = Math.min(k + 1, end) - Math.max(k, start);
        means[row * to + i] += (covered * numbers[row * from + k]) / (end - start);
      }
    }
  }
  return means;
}

const transpose = (numbers, width, height) =>
  Float64Array.from(numbers, (_, i) => numbers[(i % height) * width + Math.floor(i / height)]);
