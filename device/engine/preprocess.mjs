/**
 * Resize and crop a photo to the pixels that a graph takes: the same bytes as `model/preprocess.py`.
 *
 * An image is `{data, width, height}` with RGBA bytes, row by row, as `getImageData` returns it;
 * alpha is ignored. Resizing reproduces Pillow's, not the canvas's, whose own resizing changes the
 * top answer for one to two photos in a hundred.
 *
 * Source: `Resample.c`, `Geometry.c` and `Convert.c` in Pillow's `src/libImaging`.
 */

/** @import { Filter, Image, Recipe, Size } from "../types" */

import { roundHalfEven } from "./rounding.mjs";

/**
 * A box: left, top, right and bottom.
 *
 * @typedef {[number, number, number, number]} Box
 */

/**
 * For each place of the result, its first source and its integer weights.
 *
 * @typedef {{first: number, weights: Int32Array}[]} Pass
 */

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

/** Pixels after padding per pixel before; longer strips are scaled down first. */
const MAX_PADDING_RATIO = 4;

/**
 * Return the pixels of an upright image, by the `recipe` of a bundle's manifest.
 *
 * @param {Image} image
 * @param {Recipe} recipe
 * @param {{isFitted?: boolean}} [options] true if the image is already cut to `centreBox`
 * @returns {Uint8Array} RGB, shape [height, width, 3] with the recipe's crop or else its resize.
 */
export function preprocess(image, recipe, { isFitted = false } = {}) {
  const isCut = isFitted && (recipe.method ?? "crop") === "crop";
  const photo = recipe.greyscale ? toGreyscale(image) : image;
  const fitted = isCut ? photo : fitAspect(photo, recipe);
  const [height, width] = recipe.crop ?? recipe.resize;
  const filter = recipe.interpolation ?? "bilinear";
  const box = innerBox(fitted, recipe);
  if (box) return toRgb(resize(fitted, width, height, filter, box));
  const resized = resize(fitted, recipe.resize[1], recipe.resize[0], filter);
  return toRgb(recipe.crop ? cropCentre(resized, recipe.crop) : resized);
}

/**
 * Return an image without colours: three equal channels, with the weights of ITU-R 601.
 *
 * @param {Image} image
 */
function toGreyscale({ data, width, height }) {
  const greyscale = new Uint8ClampedArray(data.length);
  for (let place = 0; place < data.length; place += 4) {
    const weighted = data[place] * 19595 + data[place + 1] * 38470 + data[place + 2] * 7471;
    greyscale.fill((weighted + 0x8000) >> 16, place, place + 3);
  }
  return { data: greyscale, width, height };
}

/**
 * Crop or pad an image to the aspect ratio of `recipe.resize`, around its centre.
 *
 * @param {Image} image
 * @param {Recipe} recipe
 */
function fitAspect(image, recipe) {
  if (recipe.method !== "pad") return crop(image, ...centreBox(image, recipe));
  const [wide, high] = fittedSize(image, recipe, Math.max);
  return pad(image, wide, high, recipe.padding ?? "reflection");
}

/**
 * Return left, top, width and height of the part of a photo that the recipe uses. Cutting it while
 * decoding saves reading the rest.
 *
 * @param {Size} image
 * @param {Recipe} recipe
 * @returns {[number, number, number, number]}
 */
export function centreBox(image, recipe) {
  if ((recipe.method ?? "crop") !== "crop") return [0, 0, image.width, image.height];
  const [wide, high] = fittedSize(image, recipe, Math.min);
  return [Math.trunc((image.width - wide) / 2), Math.trunc((image.height - high) / 2), wide, high];
}

/**
 * Return width and height of the box in the aspect ratio of `recipe.resize` that `choose` picks.
 *
 * @param {Size} image
 * @param {Recipe} recipe
 * @param {(across: number, down: number) => number} choose one of two scales
 */
export function fittedSize(image, recipe, choose) {
  const [height, width] = recipe.resize;
  const scale = choose(image.width / width, image.height / height);
  return [Math.max(1, Math.trunc(scale * width)), Math.max(1, Math.trunc(scale * height))];
}

/**
 * Return the box that ends up in the crop, if resizing it alone gives the same pixels.
 *
 * @param {Size} image
 * @param {Recipe} recipe
 */
function innerBox(image, recipe) {
  const { crop } = recipe;
  if (!crop) return null;
  const scales = [image.width / recipe.resize[1], image.height / recipe.resize[0]];
  const margins = [1, 0].map((axis) => Math.floor((recipe.resize[axis] - crop[axis]) / 2));
  const reach = SUPPORT[recipe.interpolation ?? "bilinear"];
  for (const axis of [0, 1]) {
    if (margins[axis] * scales[axis] < reach * Math.max(scales[axis], 1) + 1) return null;
  }
  const [left, top] = [margins[0] * scales[0], margins[1] * scales[1]];
  /** @type {Box} */
  const box = [left, top, left + crop[1] * scales[0], top + crop[0] * scales[1]];
  // Pillow keeps boxes in single precision, and rounding one changes pixels.
  return box.every((edge) => Math.fround(edge) === edge) ? box : null;
}

/**
 * Pad an image to `wide` × `high` pixels, half on each side.
 *
 * @param {Image} image
 * @param {number} wide
 * @param {number} high
 * @param {Recipe["padding"]} padding
 */
function pad(image, wide, high, padding) {
  const maxPixels = Math.max(MAX_PADDING_RATIO * image.width * image.height, 2 ** 22);
  if (wide * high > maxPixels) {
    const scale = Math.sqrt(maxPixels / (wide * high));
    image = resize(
      image,
      Math.max(1, roundHalfEven(image.width * scale)),
      Math.max(1, roundHalfEven(image.height * scale)),
      "box",
    );
    [wide, high] = [Math.max(1, Math.trunc(wide * scale)), Math.max(1, Math.trunc(high * scale))];
  }
  const left = Math.max(0, Math.floor((wide - image.width) / 2));
  const top = Math.max(0, Math.floor((high - image.height) / 2));
  const columns = sources(image.width, left, Math.max(wide, image.width), padding);
  const rows = sources(image.height, top, Math.max(high, image.height), padding);
  return gather(image, columns, rows);
}

/**
 * Return, for each of `length` places, the index that it shows, or -1 for black.
 *
 * @param {number} size
 * @param {number} before places before the first index
 * @param {number} length
 * @param {Recipe["padding"]} padding
 */
function sources(size, before, length, padding) {
  return Int32Array.from({ length }, (_, place) => {
    const index = place - before;
    if (index >= 0 && index < size) return index;
    if (padding === "zeros") return -1;
    if (padding === "border" || size === 1) return index < 0 ? 0 : size - 1;
    const period = 2 * (size - 1);
    const phase = ((index % period) + period) % period;
    return phase < size ? phase : period - phase;
  });
}

/**
 * Return the image made of the given columns and rows; -1 is black.
 *
 * @param {Image} image
 * @param {Int32Array} columns
 * @param {Int32Array} rows
 * @returns {Image}
 */
function gather(image, columns, rows) {
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

/**
 * Crop a box, black beyond the edges.
 *
 * @param {Image} image
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 */
export function crop(image, left, top, width, height) {
  if (left === 0 && top === 0 && width === image.width && height === image.height) return image;
  /** @type {(start: number, length: number, size: number) => Int32Array} */
  const places = (start, length, size) =>
    Int32Array.from({ length }, (_, place) => {
      const index = start + place;
      return index >= 0 && index < size ? index : -1;
    });
  return gather(image, places(left, width, image.width), places(top, height, image.height));
}

/**
 * Crop around the centre.
 *
 * @param {Image} image
 * @param {[number, number]} size height and width
 */
function cropCentre(image, [height, width]) {
  const left = Math.floor((image.width - width) / 2);
  const top = Math.floor((image.height - height) / 2);
  return crop(image, left, top, width, height);
}

/**
 * Resize an image as Pillow does.
 *
 * @param {Image} image
 * @param {number} width
 * @param {number} height
 * @param {Filter} filter
 * @param {Box} [box] all of it by default
 */
export function resize(image, width, height, filter, box = [0, 0, image.width, image.height]) {
  const [left, top, right, bottom] = box.map(Math.fround);
  if (filter === "nearest") {
    const columns = nearest(left, right, width, image.width);
    return gather(image, columns, nearest(top, bottom, height, image.height));
  }
  const across = passOf(left, right, width, image.width, filter);
  const down = passOf(top, bottom, height, image.height, filter);
  // Pillow 13 begins with the columns if the height shrinks by much more than the width.
  const shrinks = image.height - height;
  if (shrinks > 0 && shrinks > 2 * (image.width - width)) {
    return resizeRows(resizeColumns(image, height, down), width, across);
  }
  return resizeColumns(resizeRows(image, width, across, down), height, down);
}

/**
 * Return one pass, or null if it would change nothing.
 *
 * @param {number} from
 * @param {number} to
 * @param {number} length
 * @param {number} size
 * @param {Filter} filter
 */
function passOf(from, to, length, size, filter) {
  if (from === 0 && to === length && to === size) return null;
  return coefficients(size, from, to, length, filter);
}

/**
 * @param {number} from
 * @param {number} to
 * @param {number} length
 * @param {number} size
 */
function nearest(from, to, length, size) {
  const step = (to - from) / length;
  let place = from + step * 0.5;
  return Int32Array.from({ length }, () => {
    const index = Math.trunc(place);
    place += step; // added up, not multiplied, to round as Pillow does
    return index >= 0 && index < size ? index : -1;
  });
}

/**
 * @param {number} size
 * @param {number} from
 * @param {number} to
 * @param {number} length
 * @param {Filter} filter
 * @returns {Pass}
 */
function coefficients(size, from, to, length, filter) {
  const scale = Math.fround(to - from) / length;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT[filter] * filterScale;
  const inverse = 1 / filterScale;
  const evaluate = FILTERS[filter];
  return Array.from({ length }, (_, place) => {
    const centre = from + (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(size, Math.trunc(centre + support + 0.5)) - first;
    const weights = new Float64Array(count);
    let sum = 0;
    for (let index = 0; index < count; index++) {
      weights[index] = evaluate((index + first - centre + 0.5) * inverse);
      sum += weights[index];
    }
    const integers = Int32Array.from(weights, (weight) => {
      const scaled = (sum === 0 ? weight : weight / sum) * 2 ** PRECISION_BITS;
      return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    });
    return { first, weights: integers };
  });
}

const HALF = 2 ** (PRECISION_BITS - 1);

/**
 * Resize each row; with `down`, only the rows that the pass over columns reads.
 *
 * @param {Image} image
 * @param {number} width
 * @param {Pass | null} places
 * @param {Pass | null} [down]
 * @returns {Image}
 */
function resizeRows(image, width, places, down = null) {
  if (!places) return image;
  const firstRow = down ? down[0].first : 0;
  const last = down?.at(-1);
  const endRow = last ? last.first + last.weights.length : image.height;
  const data = new Uint8ClampedArray(width * image.height * 4);
  for (let row = firstRow; row < endRow; row++) {
    for (let column = 0; column < width; column++) {
      const { first, weights } = places[column];
      const source = (row * image.width + first) * 4;
      weigh(image.data, source, 4, weights, data, (row * width + column) * 4);
    }
  }
  return { data, width, height: image.height };
}

/**
 * @param {Image} image
 * @param {number} height
 * @param {Pass | null} places
 * @returns {Image}
 */
function resizeColumns(image, height, places) {
  if (!places) return image;
  const { width } = image;
  const data = new Uint8ClampedArray(width * height * 4);
  for (let row = 0; row < height; row++) {
    const { first, weights } = places[row];
    for (let column = 0; column < width; column++) {
      const source = (first * width + column) * 4;
      weigh(image.data, source, width * 4, weights, data, (row * width + column) * 4);
    }
  }
  return { data, width, height };
}

/**
 * Write the weighted mean of the pixels at `source`, `source + step` and so on to `target`.
 *
 * @param {Uint8ClampedArray} from
 * @param {number} source
 * @param {number} step
 * @param {Int32Array} weights
 * @param {Uint8ClampedArray} to
 * @param {number} target
 */
function weigh(from, source, step, weights, to, target) {
  let [red, green, blue] = [HALF, HALF, HALF];
  for (let index = 0; index < weights.length; index++, source += step) {
    const weight = weights[index];
    red += from[source] * weight;
    green += from[source + 1] * weight;
    blue += from[source + 2] * weight;
  }
  to[target] = red >> PRECISION_BITS;
  to[target + 1] = green >> PRECISION_BITS;
  to[target + 2] = blue >> PRECISION_BITS;
}

/** @param {Image} image */
function toRgb({ data, width, height }) {
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    pixels[to++] = data[from];
    pixels[to++] = data[from + 1];
    pixels[to++] = data[from + 2];
  }
  return pixels;
}
