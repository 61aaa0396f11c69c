/**
 * Resize images as Pillow does. An image is opaque RGBA bytes.
 *
 * Source: `Resample.c` and `Geometry.c` in Pillow's `src/libImaging`.
 */

import { openKernels } from "./kernels.mjs";

/**
 * The first source and the integer weights of each place.
 * @typedef {{first: number, weights: Int32Array}[]} Pass
 */

/** Rows of an image: the first one, and their number. @typedef {[Image, number, number]} Rows */

/** Images are resized in strips, so that the kernels' memory stays small. */
const STRIP_BYTES = 2 ** 20;

/** @type {Kernels} */
let kernels;

/** True in a browser that can't get or run the kernels. */
export let lacksKernels = false;

/** Load what `resize` needs. @throws {LoupeError} "unreachable" */
export async function openResizing() {
  if (lacksKernels) return;
  try {
    kernels ??= await openKernels();
  } catch (error) {
    if (/** @type {any} */ (error).code === "unreachable") throw error;
    lacksKernels = true;
  }
}

/** Radius of each filter, in pixels of the result. */
const SUPPORT = { nearest: 0.5, box: 0.5, bilinear: 1, hamming: 1, bicubic: 2, lanczos: 3 };

/** @param {number} x */
const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** @type {Record<string, (x: number) => number>} */
const FILTERS = {
  box: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0),
  bilinear: (x) => Math.max(0, 1 - Math.abs(x)),
  hamming: (x) => {
    const distance = Math.abs(x);
    if (distance === 0) return 1; // the sum of the constants in single precision is not
    if (distance >= 1) return 0;
    return sinc(distance) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(distance * Math.PI));
  },
  bicubic: (x) => {
    const a = -0.5;
    const d = Math.abs(x);
    if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
  },
  lanczos: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0),
};

/** Weights are integers of this many bits after the point. */
const PRECISION_BITS = 22;

/**
 * @type {(image: Image, width: number, height: number, filter: Filter) => Image} after
 *   `openResizing`
 */
export function resize(image, width, height, filter) {
  if (filter === "nearest") {
    return gather(image, nearest(image.width, width), nearest(image.height, height));
  }
  // Pillow 13 begins with the columns if the height shrinks by much more than the width.
  const shrinks = image.height - height;
  if (shrinks > 0 && shrinks > 2 * (image.width - width)) {
    return resizeRows(resizeColumns(image, height, filter), width, filter);
  }
  return resizeColumns(resizeRows(image, width, filter), height, filter);
}

/** @type {(size: number, length: number) => Int32Array} */
function nearest(size, length) {
  const step = size / length;
  let place = step * 0.5;
  return Int32Array.from({ length }, () => {
    const index = Math.trunc(place);
    place += step; // added up, not multiplied, to round as Pillow does
    return index < size ? index : -1;
  });
}

/** Passes of the last photo; a video's frames need the same. @type {Map<string, Pass>} */
const passes = new Map();

/** @type {(size: number, length: number, filter: Filter) => Pass} */
function passOf(size, length, filter) {
  const key = `${size} ${length} ${filter}`;
  const pass = passes.get(key) ?? coefficients(size, length, filter);
  if (!passes.has(key) && passes.size > 1) passes.clear();
  passes.set(key, pass);
  return pass;
}

/** @type {(size: number, length: number, filter: Filter) => Pass} */
function coefficients(size, length, filter) {
  const scale = size / length;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT[filter] * filterScale;
  const inverse = 1 / filterScale;
  const evaluate = FILTERS[filter];
  return Array.from({ length }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(size, Math.trunc(centre + support + 0.5)) - first;
    const weights = Float64Array.from({ length: count }, (_, index) =>
      evaluate((index + first - centre + 0.5) * inverse),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const integers = Int32Array.from(weights, (weight) => {
      const scaled = (sum === 0 ? weight : weight / sum) * 2 ** PRECISION_BITS;
      return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    });
    return { first, weights: integers };
  });
}

/** @type {(image: Image, width: number, filter: Filter) => Image} */
function resizeRows(image, width, filter) {
  if (width === image.width) return image;
  const pass = passOf(image.width, width, filter);
  const result = emptyImage(width, image.height);
  const strip = Math.ceil(STRIP_BYTES / (4 * image.width));
  for (let row = 0; row < image.height; row += strip) {
    const count = Math.min(strip, image.height - row);
    runStrip([image, row, count], [result, row, count], pass, 0, (from, table, taps, to) =>
      kernels.run.resample_rows(from, image.width, count, table, width, taps, to),
    );
  }
  return result;
}

/** @type {(image: Image, height: number, filter: Filter) => Image} */
function resizeColumns(image, height, filter) {
  if (height === image.height) return image;
  const { width } = image;
  const pass = passOf(image.height, height, filter);
  const result = emptyImage(width, height);
  const strip = Math.ceil(STRIP_BYTES / (4 * width * Math.max(1, image.height / height)));
  for (let row = 0; row < height; row += strip) {
    const places = pass.slice(row, row + strip);
    const [{ first }, { first: last, weights }] = [places[0], places[places.length - 1]];
    const source = /** @type {Rows} */ ([image, first, last + weights.length - first]);
    runStrip(source, [result, row, places.length], places, first, (from, table, taps, to) =>
      kernels.run.resample_columns(from, width, table, places.length, taps, to),
    );
  }
  return result;
}

/**
 * Copy rows into the kernels' memory, resample them, and copy the result back; `origin` is the
 * source that is the first one there.
 *
 * @type {(source: Rows, target: Rows, pass: Pass, origin: number, resample: (from: number, table:
 *   number, taps: number, to: number) => void) => void}
 */
function runStrip(source, target, pass, origin, resample) {
  if (lacksKernels) return resampleInScript(source, target, pass, origin);
  const taps = Math.max(...pass.map(({ weights }) => weights.length));
  const values = new Int32Array(pass.length * (2 + taps));
  for (const [place, { first, weights }] of pass.entries()) {
    values.set([first - origin, weights.length], place * (2 + taps));
    values.set(weights, place * (2 + taps) + 2);
  }
  const [pixels, result] = [rowsOf(source), rowsOf(target)];
  const table = kernels.allocate(values.byteLength);
  const [from, to] = [kernels.allocate(pixels.length), kernels.allocate(result.length)];
  kernels.bytes(table, values.byteLength).set(new Uint8Array(values.buffer));
  kernels.bytes(from, pixels.length).set(pixels);
  resample(from, table, taps, to);
  result.set(kernels.bytes(to, result.length));
  return kernels.free(table);
}

/**
 * Resample rows, or columns if both images have one width, to the same bytes as the kernels.
 *
 * @type {(source: Rows, target: Rows, pass: Pass, origin: number) => void}
 */
function resampleInScript(source, target, pass, origin) {
  const [from, to] = [rowsOf(source), rowsOf(target)];
  const [width, places] = [source[0].width, target[0].width];
  const isRows = width !== places;
  const step = isRows ? 4 : 4 * width;
  for (let line = 0; line < (isRows ? 4 * source[2] : step); line++) {
    const [row, byte] = isRows ? [line >> 2, line & 3] : [0, line];
    for (const [place, { first, weights }] of pass.entries()) {
      const start = 4 * width * row + byte + step * (first - origin);
      let sum = 1 << (PRECISION_BITS - 1);
      for (let at = 0; at < weights.length; at++) sum += weights[at] * from[start + step * at];
      to[4 * places * row + byte + step * place] = sum >> PRECISION_BITS;
    }
  }
}

/** @type {(rows: Rows) => Uint8ClampedArray} */
function rowsOf([{ data, width }, first, count]) {
  return data.subarray(4 * width * first, 4 * width * (first + count));
}

/** @type {(width: number, height: number) => Image} */
function emptyImage(width, height) {
  return { data: new Uint8ClampedArray(width * height * 4), width, height };
}

/**
 * Take these columns and rows; -1 is black.
 *
 * @type {(image: Image, columns: Int32Array, rows: Int32Array) => Image}
 */
export function gather(image, columns, rows) {
  const from = new Uint32Array(
    image.data.buffer,
    image.data.byteOffset,
    image.width * image.height,
  );
  const pixels = new Uint32Array(columns.length * rows.length);
  let place = 0;
  for (const row of rows) {
    for (const column of columns) {
      pixels[place++] = row < 0 || column < 0 ? 0 : from[row * image.width + column];
    }
  }
  return {
    data: new Uint8ClampedArray(pixels.buffer),
    width: columns.length,
    height: rows.length,
  };
}
