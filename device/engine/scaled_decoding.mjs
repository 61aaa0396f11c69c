/**
 * Scale large JPEGs down as the server's decoder does, because browsers decode them at full size.
 *
 * libjpeg decodes a JPEG at a half, quarter or eighth of its size to the means of blocks of pixels.
 * It does so in the colours that the file stores, of which browsers return only RGB: colours stored
 * at half the size are interpolated first, and the means differ slightly (docs/browser.md).
 *
 * Source: `draft` in Pillow's `JpegImagePlugin.py`; `jidctred.c` of libjpeg-turbo.
 */

/** Both sides stay at least this many times the recipe's resize size, as in `model/photo/`. */
const MARGIN = 2;

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
