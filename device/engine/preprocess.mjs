/**
 * Resize and crop a photo to the pixels that a graph takes: the same bytes as
 * `model/preprocess.py`.
 *
 * An image is `{data, width, height}` with RGBA bytes, row by row, as `getImageData` returns it;
 * alpha is ignored. Resizing reproduces Pillow's, not the canvas's, whose own resizing changes the
 * top answer for one to two photos in a hundred.
 *
 * Source of the greyscale: `Convert.c` in Pillow's `src/libImaging`.
 */

import { centreBox, fittedSize } from "./geometry.mjs";
import { gather, openResizing, resize } from "./resize.mjs";
import { roundHalfEven } from "./rounding.mjs";

/** Pixels after padding per pixel before; longer strips are scaled down first. */
const MAX_PADDING_RATIO = 4;

/**
 * Return the pixels of an upright image, by the `recipe` of a bundle's manifest.
 *
 * @param {Image} image
 * @param {Recipe} recipe
 * @param {{isFitted?: boolean}} [options] true if the image is already cut to `centreBox`
 * @returns {Promise<Uint8Array<ArrayBuffer>>} RGB, shape [height, width, 3] with the recipe's crop
 *   or else its resize.
 */
export async function preprocess(image, recipe, { isFitted = false } = {}) {
  await openResizing();
  const isCut = isFitted && (recipe.method ?? "crop") === "crop";
  const photo = recipe.greyscale ? toGreyscale(image) : image;
  const fitted = isCut ? photo : fitAspect(photo, recipe);
  const [height, width] = recipe.resize;
  const resized = resize(fitted, width, height, recipe.interpolation ?? "bilinear");
  const [high, wide] = recipe.crop ?? recipe.resize;
  const [left, top] = [Math.floor((width - wide) / 2), Math.floor((height - high) / 2)];
  return toRgb(crop(resized, left, top, wide, high));
}

/** Make three equal channels, with the weights of ITU-R 601. @param {Image} image */
function toGreyscale({ data, width, height }) {
  const greyscale = new Uint8ClampedArray(data.length);
  for (let place = 0; place < data.length; place += 4) {
    const weighted = data[place] * 19595 + data[place + 1] * 38470 + data[place + 2] * 7471;
    greyscale.fill((weighted + 0x8000) >> 16, place, place + 3);
  }
  return { data: greyscale, width, height };
}

/**
 * Cut or pad to the aspect ratio of `recipe.resize`. @type {(image: Image, recipe: Recipe) =>
 * Image}
 */
function fitAspect(image, recipe) {
  if (recipe.method !== "pad") return crop(image, ...centreBox(image, recipe));
  const [wide, high] = fittedSize(image, recipe, Math.max);
  return pad(image, wide, high, recipe.padding ?? "reflection");
}

/**
 * Pad an image to `wide` × `high` pixels, half on each side.
 *
 * @type {(image: Image, wide: number, high: number, padding: Recipe["padding"]) => Image}
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
 * Return, for each of `length` places, the index that it shows, or -1 for black; the
 * first index is at `before`.
 *
 * @type {(size: number, before: number, length: number, padding: Recipe["padding"]) => Int32Array}
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
 * Crop a box, black beyond the edges.
 *
 * @type {(image: Image, left: number, top: number, width: number, height: number) => Image}
 */
function crop(image, left, top, width, height) {
  if (left === 0 && top === 0 && width === image.width && height === image.height) return image;
  const columns = sources(image.width, -left, width, "zeros");
  return gather(image, columns, sources(image.height, -top, height, "zeros"));
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

/**
 * Return red less green, green, and blue less green, one after the other, each row less the one
 * above, as a zlib stream; or the pixels as they are, if the browser can't compress.
 *
 * @type {(pixels: Uint8Array<ArrayBuffer>, width: number) => Promise<Packed>} of RGB, row by row
 */
export async function pack(pixels, width) {
  if (!("CompressionStream" in globalThis)) return { bytes: pixels, packed: false };
  const count = pixels.length / 3;
  const planes = new Uint8Array(pixels.length);
  for (let place = 0; place < count; place++) {
    const green = pixels[place * 3 + 1];
    planes[place] = pixels[place * 3] - green;
    planes[count + place] = green;
    planes[2 * count + place] = pixels[place * 3 + 2] - green;
  }
  for (let plane = 0; plane < 3; plane++) {
    // From the end, so that the row above still is as it was.
    for (let place = count - 1; place >= width; place--) {
      planes[plane * count + place] -= planes[plane * count + place - width];
    }
  }
  const stream = new Blob([planes]).stream().pipeThrough(new CompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return { bytes, packed: true };
}
