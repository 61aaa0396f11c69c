/**
 * What the server's decoder does with a photo's file and browsers don't: it refuses one that was
 * cut short, of which some browsers show the upper part and leave the rest grey, and it scales
 * large JPEGs down, which browsers decode at full size.
 *
 * libjpeg decodes a JPEG at a half, quarter or eighth of its size to the means of blocks of pixels.
 * It does so in the colours that the file stores, of which browsers return only RGB: colours stored
 * at half the size are interpolated first, and the means differ slightly (docs/browser.md).
 *
 * Source: `draft` in Pillow's `JpegImagePlugin.py`; `jidctred.c` of libjpeg-turbo.
 */

/** Tag of the orientation in EXIF, and its type, a short number. */
const ORIENTATION = 0x0112;
const SHORT = 3;

const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;

/**
 * Return what a JPEG states of its photo: width and height before it is turned, 0 if it doesn't
 * say, and the EXIF orientation, 1 to 8; 1 if it is absent or malformed.
 *
 * @param {Uint8Array} bytes
 */
export function jpegHeader(bytes) {
  const header = { width: 0, height: 0, orientation: 0 };
  for (const { marker, view } of segments(bytes)) {
    if (marker === START_OF_SCAN) break;
    const isFrameHeader = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrameHeader && view.byteLength >= 9) {
      Object.assign(header, { width: view.getUint16(7), height: view.getUint16(5) });
    } else if (marker === 0xe1 && !header.orientation) {
      header.orientation = readOrientation(view);
    }
  }
  return { ...header, orientation: header.orientation || 1 };
}

/** @param {DataView} segment begins at its marker; 0 if it holds no EXIF */
function readOrientation(segment) {
  try {
    if (segment.getUint32(4) !== 0x45786966 || segment.getUint16(8)) return 0;
    const view = new DataView(segment.buffer, segment.byteOffset + 10);
    const isLittle = view.getUint16(0) === 0x4949;
    const start = view.getUint32(4, isLittle);
    const count = view.getUint16(start, isLittle);
    for (let at = start + 2; at < start + 2 + 12 * count; at += 12) {
      if (view.getUint16(at, isLittle) !== ORIENTATION) continue;
      const value = view.getUint16(at + 8, isLittle);
      return view.getUint16(at + 2, isLittle) === SHORT && value <= 8 ? value || 1 : 1;
    }
  } catch (error) {
    // The block states places outside of the file.
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

/** Return false if a JPEG, PNG or WebP ends too early. @param {Uint8Array} bytes */
export function isWhole(bytes) {
  if (isJpeg(bytes)) return endsJpeg(bytes);
  if (textAt(bytes, 1, "PNG")) return endsPng(bytes);
  if (textAt(bytes, 0, "RIFF")) return viewOf(bytes).getUint32(4, true) + 8 <= bytes.length;
  return true;
}

/** @param {Uint8Array} bytes */
export const isJpeg = (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8;

/** @param {Uint8Array} bytes */
function endsJpeg(bytes) {
  for (const { marker } of segments(bytes)) if (marker === END_OF_IMAGE) return true;
  return false;
}

/**
 * Yield a JPEG's segments, each with a view that begins at its marker; the last one is the end. A
 * thumbnail's, inside a segment, don't count.
 *
 * @param {Uint8Array} bytes
 */
function* segments(bytes) {
  const view = viewOf(bytes);
  let at = 2;
  while (at + 4 <= bytes.length || bytes[at + 1] === END_OF_IMAGE) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker === 0 || marker === 0xff || isRestart(marker)) {
      // Coded data, or filling: on to the next 0xff.
      at = bytes.indexOf(0xff, at + (bytes[at] === 0xff && marker !== 0xff ? 2 : 1));
      if (at < 0) return;
    } else {
      yield { marker, view: viewOf(bytes.subarray(at)) };
      if (marker === END_OF_IMAGE) return;
      at += 2 + view.getUint16(at + 2);
    }
  }
}

/** @param {number} marker */
const isRestart = (marker) => marker >= 0xd0 && marker <= 0xd7;

/** Walk a PNG's chunks to the last one. @param {Uint8Array} bytes */
function endsPng(bytes) {
  const view = viewOf(bytes);
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (textAt(bytes, at + 4, "IEND")) return true;
  }
  return false;
}

/** @param {Uint8Array} bytes */
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @type {(bytes: Uint8Array, at: number, text: string) => boolean} */
const textAt = (bytes, at, text) =>
  Array.from(text).every((letter, place) => bytes[at + place] === letter.charCodeAt(0));

/** Both sides stay at least this many times the recipe's resize size, as in `model/photo/`. */
const MARGIN = 2;

/**
 * Return the factor by which the server scales down a JPEG of this size: 1, 2, 4 or 8.
 *
 * @type {(size: Size, recipe: Recipe) => number}
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
 * @returns {Image}
 */
export function scaleDown({ data, width, height }, factor, missing = [0, 0]) {
  const across = blockEdges(width, factor, missing[0]);
  const down = blockEdges(height, factor, missing[1]);
  const [columns, rows] = [across.length - 1, down.length - 1];
  // A clamped array rounds halves to even; rounding them up would brighten the photo.
  const means = new Uint8ClampedArray(columns * rows * 4).fill(255);
  const sums = new Uint32Array(columns * 3);
  for (let row = 0; row < rows; row++) {
    sums.fill(0);
    for (let y = down[row]; y < down[row + 1]; y++) {
      for (let column = 0; column < columns; column++) {
        const end = (y * width + across[column + 1]) * 4;
        let [red, green, blue] = [0, 0, 0];
        for (let place = (y * width + across[column]) * 4; place < end; place += 4) {
          red += data[place];
          green += data[place + 1];
          blue += data[place + 2];
        }
        sums[column * 3] += red;
        sums[column * 3 + 1] += green;
        sums[column * 3 + 2] += blue;
      }
    }
    for (let column = 0; column < columns; column++) {
      const pixels = (across[column + 1] - across[column]) * (down[row + 1] - down[row]);
      for (let channel = 0; channel < 3; channel++) {
        means[(row * columns + column) * 4 + channel] = sums[column * 3 + channel] / pixels;
      }
    }
  }
  return { data: means, width: columns, height: rows };
}

/** @type {(length: number, factor: number, missing: number) => Uint32Array} */
function blockEdges(length, factor, missing) {
  const count = Math.ceil((length + missing) / factor);
  return Uint32Array.from({ length: count + 1 }, (_, block) =>
    Math.min(Math.max(0, block * factor - missing), length),
  );
}
