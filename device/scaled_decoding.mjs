/**
 * Scale large JPEGs down as the server's decoder does, because browsers decode them at full size.
 *
 * libjpeg decodes a JPEG at a half, quarter or eighth of its size to the means of blocks of pixels.
 * Means of the browser's pixels differ from those by rounding, and in colours that are stored at
 * half the size, which the browser has interpolated.
 *
 * Source: `draft` in Pillow's `JpegImagePlugin.py`, and `jidctred.c` of libjpeg-turbo.
 */

/** Both sides stay at least this many times the recipe's resize size, as in `model/photo/`. */
const MARGIN = 2;

/** Return the factor by which the server scales down a JPEG of this size: 1, 2, 4 or 8. */
export function scaleFactor({ width, height }, recipe) {
  if (recipe.decoding === "whole") return 1;
  const smallest = MARGIN * Math.max(...recipe.resize);
  const ratio = Math.min(Math.floor(width / smallest), Math.floor(height / smallest));
  return [8, 4, 2].find((factor) => factor <= ratio) ?? 1;
}

/**
 * Return an image of the means of blocks of `factor` × `factor` pixels. Blocks at the right and
 * lower edge may be smaller.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image RGBA; alpha becomes 255
 */
export function scaleDown(image, factor) {
  const width = Math.ceil(image.width / factor);
  const height = Math.ceil(image.height / factor);
  const data = new Uint8ClampedArray(width * height * 4);
  const sums = new Uint32Array(width * 3);
  for (let row = 0; row < height; row++) {
    const end = Math.min((row + 1) * factor, image.height);
    sums.fill(0);
    for (let source = row * factor; source < end; source++) addRow(image, source, factor, sums);
    for (let column = 0; column < width; column++) {
      const across = Math.min(factor, image.width - column * factor);
      const count = across * (end - row * factor);
      const place = (row * width + column) * 4;
      // A clamped array rounds halves to even; rounding them up would brighten the photo.
      for (let channel = 0; channel < 3; channel++) {
        data[place + channel] = sums[column * 3 + channel] / count;
      }
      data[place + 3] = 255;
    }
  }
  return { data, width, height };
}

/** Add a row's pixels to the sums of the blocks that they are in. */
function addRow({ data, width }, row, factor, sums) {
  let place = row * width * 4;
  for (let column = 0; column < width; column++, place += 4) {
    const block = Math.floor(column / factor) * 3;
    sums[block] += data[place];
    sums[block + 1] += data[place + 1];
    sums[block + 2] += data[place + 2];
  }
}
