/**
 * From a file or a picture to upright RGBA bytes, or a `LoupeError` that says what to do: the
 * browser's half of `model/photo/`.
 */

import { LoupeError } from "./errors.mjs";
import { centreBox, DECODING } from "./geometry.mjs";
import { isJpeg, isWhole, jpegHeader, scaleDown, scaleFactor } from "./photo_file.mjs";

/** First bytes of formats that all browsers read; a file that begins so and fails is damaged. */
const SIGNATURES = [
  [0xff, 0xd8, 0xff],
  [0x89, 0x50, 0x4e, 0x47],
  [0x47, 0x49, 0x46, 0x38],
  [0x42, 0x4d],
  [0x52, 0x49, 0x46, 0x46],
];

/**
 * Return the part of a photo that the recipe uses, upright, as RGBA bytes.
 *
 * @param {Blob | ImageBitmap | VideoFrame} source is closed, unless it is a Blob
 * @param {Recipe} recipe
 * @param {Limits} limits
 * @param {Region} [region] the part of a frame or bitmap to use
 * @throws {LoupeError} "missing", "empty", "too-large", "too-small", "too-many-pixels", "damaged"
 *   or "unsupported-format"
 */
export async function decode(source, recipe, limits, region) {
  if (source instanceof Blob) return decodeFile(source, recipe, limits);
  return readCentre(await bitmapOf(source, region), recipe, limits);
}

/** @type {(file: Blob, recipe: Recipe, limits: Limits) => Promise<Image>} */
async function decodeFile(file, recipe, limits) {
  const bytes = await readFile(file, limits);
  if (!isJpeg(bytes)) return readCentre(await bitmapOfFile(file, bytes), recipe, limits);
  const { orientation, ...size } = jpegHeader(bytes);
  // Before the browser decodes all of it.
  if (size.width && size.height) checkSize(size, limits);
  const bitmap = await bitmapOfFile(file, bytes);
  return readCentre(bitmap, recipe, limits, scaleFactor(bitmap, recipe), orientation);
}

/**
 * Orientations that turn an end of the stored photo, its right or lower edge, to the left, and
 * those that turn one to the top. The server scales the stored photo, so incomplete blocks are at
 * its ends.
 */
const MIRRORED = [
  [2, 3, 6, 7],
  [3, 4, 7, 8],
];

/**
 * Read the part that the recipe uses of an upright photo, scaled down by `factor`, and close it;
 * `orientation` is the one of the stored photo.
 *
 * @type {(bitmap: ImageBitmap, recipe: Recipe, limits: Limits, factor?: number,
 *   orientation?: number) => Image}
 */
function readCentre(bitmap, recipe, limits, factor = 1, orientation = 1) {
  try {
    checkSize(bitmap, limits);
    return readScaled(bitmap, recipe, factor, orientation);
  } finally {
    bitmap.close();
  }
}

/** @type {(bitmap: ImageBitmap, recipe: Recipe, factor: number, orientation: number) => Image} */
function readScaled(bitmap, recipe, factor, orientation) {
  const sides = [bitmap.width, bitmap.height];
  const [columns, rows] = sides.map((side) => Math.ceil(side / factor));
  const box = centreBox({ width: columns, height: rows }, recipe);
  const spans = sides.map((side, axis) => {
    const isMirrored = MIRRORED[axis].includes(orientation);
    const lacking = isMirrored ? Math.ceil(side / factor) * factor - side : 0;
    const start = box[axis] * factor - lacking;
    const end = Math.min(start + box[axis + 2] * factor, side);
    return { start: Math.max(0, start), end, missing: Math.max(0, -start) };
  });
  const [across, down] = spans;
  const [width, height] = spans.map(({ start, end }) => end - start);
  const image = readPixels(bitmap, across.start, down.start, width, height);
  return factor === 1 ? image : scaleDown(image, factor, [across.missing, down.missing]);
}

/** @type {(source: ImageBitmap | VideoFrame, region?: Region) => Promise<ImageBitmap>} */
async function bitmapOf(source, region) {
  if (source instanceof ImageBitmap && !region) return source;
  try {
    if (!region) return await createImageBitmap(source, DECODING);
    const { x, y, width, height } = region;
    return await createImageBitmap(source, x, y, width, height, DECODING);
  } finally {
    source.close();
  }
}

/** @type {(blob: Blob, limits: Limits) => Promise<Uint8Array<ArrayBuffer>>} */
async function readFile(blob, limits) {
  if (blob.size === 0) throw new LoupeError("empty", "This file is empty. Choose another photo.");
  if (blob.size > limits.bytes) {
    throw new LoupeError(
      "too-large",
      `This file is larger than ${limits.bytes / 2 ** 20} MB. Send a smaller version.`,
    );
  }
  const bytes = await bytesOf(blob);
  if (!isWhole(bytes)) throw damaged();
  return bytes;
}

/** @type {(blob: Blob, bytes: Uint8Array) => Promise<ImageBitmap>} */
async function bitmapOfFile(blob, bytes) {
  try {
    return await createImageBitmap(blob, DECODING);
  } catch {
    /** @param {number[]} signature */
    const isKnown = (signature) => signature.every((byte, place) => bytes[place] === byte);
    if (SIGNATURES.some(isKnown)) throw damaged();
    throw new LoupeError(
      "unsupported-format",
      "This browser can’t read that file as a photo. JPEG and PNG always work.",
    );
  }
}

/** @param {Blob} blob */
async function bytesOf(blob) {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch {
    throw new LoupeError("missing", "This file can’t be read any more. Choose it again.");
  }
}

const damaged = () =>
  new LoupeError("damaged", "This photo is incomplete or damaged. Choose another one.");

/** @type {(size: Size, limits: Limits) => void} */
function checkSize({ width, height }, limits) {
  if (Math.min(width, height) < limits.side) {
    throw new LoupeError(
      "too-small",
      `This photo has only ${width} × ${height} pixels, too few to show anything. ` +
        `Send one with at least ${limits.side} pixels on each side.`,
    );
  }
  if (width * height > limits.pixels) {
    throw new LoupeError(
      "too-many-pixels",
      `This photo has ${Math.floor((width * height) / 1e6)} megapixels; the limit is ` +
        `${Math.floor(limits.pixels / 1e6)}. Set your camera to its normal photo size, ` +
        "or send a smaller copy.",
    );
  }
}

/**
 * @type {(bitmap: ImageBitmap, left: number, top: number, width: number, height: number) => Image}
 */
function readPixels(bitmap, left, top, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) {
    const message = "This browser can’t draw the photo. Close other tabs, then try again.";
    throw new LoupeError("engine-unavailable", message);
  }
  // Transparent pixels become white, as on the server.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, -left, -top);
  const { data } = context.getImageData(0, 0, width, height);
  return { data, width, height };
}

/**
 * Check that pixels come back from the canvas as they went in. Some browsers add noise against
 * fingerprinting, which would change answers.
 *
 * @throws {LoupeError} "engine-unavailable"
 */
export async function testPixels() {
  const side = 16;
  const expected = Uint8ClampedArray.from({ length: side * side * 4 }, (_, place) =>
    place % 4 === 3 ? 255 : (place * 7) % 256,
  );
  let data = new Uint8ClampedArray();
  try {
    const bitmap = await createImageBitmap(new ImageData(expected, side), DECODING);
    ({ data } = readPixels(bitmap, 0, 0, side, side));
    bitmap.close();
  } catch {
    // A browser without OffscreenCanvas, or one that refuses to read it.
  }
  if (!expected.every((value, index) => data[index] === value)) {
    throw new LoupeError(
      "engine-unavailable",
      "This browser changes the pixels of photos to prevent fingerprinting, so it can’t run the " +
        "model exactly. Allow reading canvases for this page, or use another browser.",
    );
  }
}
