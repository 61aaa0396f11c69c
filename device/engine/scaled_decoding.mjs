/**
 * Scale large JPEGs down as the server's decoder does, because browsers decode them at full size.
 *
 * libjpeg decodes a JPEG at a half, quarter or eighth of its size to the means of blocks of pixels,
 * in the colours that the file stores: brightness, and two colour differences that most files hold
 * at half the size. Chromium's `ImageDecoder` returns these planes, and their means differ from
 * libjpeg's only by rounding. Other browsers return RGB, with colours interpolated to full size.
 *
 * Source: `draft` in Pillow's `JpegImagePlugin.py`; `jidctred.c` and `jdcolor.c` of libjpeg-turbo.
 */

/** @import { Image, Recipe, Size } from "../types" */

/** Both sides stay at least this many times the recipe's resize size, as in `model/photo/`. */
const MARGIN = 2;

/** Sizes of the colour planes by `VideoFrame.format`, as divisors. libjpeg interpolates others. */
const SUBSAMPLING = /** @type {Record<string, number>} */ ({ I420: 2, I444: 1 });

/**
 * Return the factor by which the server scales down a JPEG of this size: 1, 2, 4 or 8.
 *
 * @param {Size} size
 * @param {Recipe} recipe
 */
export function scaleFactor({ width, height }, recipe) {
  if (recipe.decoding === "whole") return 1;
  const smallest = MARGIN * Math.max(...recipe.resize);
  const ratio = Math.min(Math.floor(width / smallest), Math.floor(height / smallest));
  return [8, 4, 2].find((factor) => factor <= ratio) ?? 1;
}

/**
 * Return an image of the means of blocks of `factor` × `factor` pixels. Blocks at the right and
 * lower edge may be smaller; those at the left and upper edge lack `missing` columns and rows.
 *
 * @param {Image} image alpha becomes 255
 * @param {number} factor
 * @param {[number, number]} [missing]
 */
export function scaleDown({ data, width, height }, factor, missing = [0, 0]) {
  const means = [0, 1, 2].map((offset) =>
    blockMeans({ data, offset, step: 4, stride: width * 4, width, height }, factor, missing),
  );
  const scaled = emptyImage(
    Math.ceil((width + missing[0]) / factor),
    Math.ceil((height + missing[1]) / factor),
  );
  for (let place = 0; place < means[0].length; place++) {
    for (let channel = 0; channel < 3; channel++) {
      scaled.data[place * 4 + channel] = means[channel][place];
    }
  }
  return scaled;
}

/**
 * Decode a JPEG to a fraction of its size from the planes that it stores.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {number} factor 2, 4 or 8
 * @returns {Promise<Image | null>} upright; null if the browser doesn't return planes, or the file
 *   is damaged or of another kind
 */
export async function decodeScaled(bytes, factor) {
  // Browsers without `rotation` don't say how the photo is turned.
  const hasRotation = "rotation" in (globalThis.VideoFrame?.prototype ?? {});
  if (!("ImageDecoder" in globalThis) || !hasRotation) return null;
  const decoder = new ImageDecoder({
    data: bytes,
    type: "image/jpeg",
    colorSpaceConversion: "none",
  });
  try {
    const { image: frame } = await decoder.decode();
    try {
      return await scaleFrame(frame, factor);
    } finally {
      frame.close();
    }
  } catch {
    return null;
  } finally {
    decoder.close();
  }
}

/** @type {(frame: VideoFrame, factor: number) => Promise<Image | null>} */
async function scaleFrame(frame, factor) {
  const { format, visibleRect, rotation, flip } = frame;
  const divisor = SUBSAMPLING[format ?? ""];
  if (!divisor || !visibleRect) return null;
  const data = new Uint8Array(frame.allocationSize());
  const layout = await frame.copyTo(data);
  const planes = layout.map(({ offset, stride }, index) => {
    const shrink = index ? divisor : 1;
    const width = Math.ceil(visibleRect.width / shrink);
    const height = Math.ceil(visibleRect.height / shrink);
    return blockMeans({ data, offset, step: 1, stride, width, height }, factor / shrink);
  });
  const width = Math.ceil(visibleRect.width / factor);
  const height = Math.ceil(visibleRect.height / factor);
  return toUprightRgb(planes, { width, height, rotation, flip });
}

/**
 * Return the means of blocks of one channel's values, row by row; see `scaleDown`.
 *
 * @param {Size & {data: Uint8Array | Uint8ClampedArray, offset: number, step: number, stride: number}} channel
 * @param {number} factor
 * @param {[number, number]} [missing]
 */
function blockMeans({ data, offset, step, stride, width, height }, factor, missing = [0, 0]) {
  const across = blockEdges(width, factor, missing[0]);
  const down = blockEdges(height, factor, missing[1]);
  const columns = across.length - 1;
  const rows = down.length - 1;
  // A clamped array rounds halves to even; rounding them up would brighten the photo.
  const means = new Uint8ClampedArray(columns * rows);
  const sums = new Uint32Array(columns);
  for (let row = 0; row < rows; row++) {
    sums.fill(0);
    for (let source = down[row]; source < down[row + 1]; source++) {
      let place = offset + source * stride;
      for (let column = 0; column < columns; column++) {
        const next = offset + source * stride + across[column + 1] * step;
        let sum = 0;
        for (; place < next; place += step) sum += data[place];
        sums[column] += sum;
      }
    }
    for (let column = 0; column < columns; column++) {
      const pixels = (across[column + 1] - across[column]) * (down[row + 1] - down[row]);
      means[row * columns + column] = sums[column] / pixels;
    }
  }
  return means;
}

/**
 * Return where blocks begin and the last one ends.
 *
 * @param {number} length
 * @param {number} factor
 * @param {number} missing
 */
function blockEdges(length, factor, missing) {
  const count = Math.ceil((length + missing) / factor);
  return Uint32Array.from({ length: count + 1 }, (_, block) =>
    Math.min(Math.max(0, block * factor - missing), length),
  );
}

/**
 * Convert planes to RGBA with libjpeg's arithmetic, turned clockwise and then mirrored.
 *
 * @type {(planes: Uint8ClampedArray[], frame: Size & {rotation: number, flip: boolean}) => Image}
 */
function toUprightRgb([light, blue, red], { width, height, rotation, flip }) {
  const isSideways = rotation % 180 !== 0;
  const image = emptyImage(isSideways ? height : width, isSideways ? width : height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      let [x, y] = turn(column, row, width, height, rotation);
      if (flip) x = image.width - 1 - x;
      const from = row * width + column;
      const [value, b, r] = [light[from], blue[from] - 128, red[from] - 128];
      const to = (y * image.width + x) * 4;
      image.data[to] = value + ((91881 * r + 32768) >> 16);
      image.data[to + 1] = value + ((-22554 * b - 46802 * r + 32768) >> 16);
      image.data[to + 2] = value + ((116130 * b + 32768) >> 16);
    }
  }
  return image;
}

/**
 * Return where a pixel is after the picture was turned clockwise.
 *
 * @type {(x: number, y: number, width: number, height: number, degrees: number) =>
 *   [number, number]}
 */
function turn(x, y, width, height, degrees) {
  if (degrees === 90) return [height - 1 - y, x];
  if (degrees === 180) return [width - 1 - x, height - 1 - y];
  if (degrees === 270) return [y, width - 1 - x];
  return [x, y];
}

/**
 * Return an opaque image.
 *
 * @type {(width: number, height: number) => Image}
 */
function emptyImage(width, height) {
  return { data: new Uint8ClampedArray(width * height * 4).fill(255), width, height };
}
