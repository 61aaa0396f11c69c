/**
 * Occlusion maps: cover each region of a photo to see how much an answer depends on it. The same
 * numbers as `model/explanation.py`, which names the source.
 *
 * Pixels are RGB bytes, row by row, as a graph takes them.
 */

/** Patches along a side of the photo: of the grid that is always completed, and of the finer one. */
const COARSE = 4;
const FINE = 6;

/** Most inferences: the photo, the coarse patches, and the finer ones where those matter most. */
export const MAX_INFERENCES = 40;

/** Weight of a finer patch against a coarse one. */
const FINE_WEIGHT = 5;

/** Finer patches after which the order of the first regions is compared; no change ends the map. */
const PATCHES_PER_CHECK = 6;
const COMPARED_REGIONS = 5;

/** Rows and columns of the map that is returned, as in `api/v1/identify.py`. */
const MAP_CELLS = 32;

/** Number of passes with which Pillow approximates a Gaussian blur. */
const PASSES = 3;

/**
 * Return how much covering each region lowers the score of a label, from 0 (the least important
 * sixth) to 1 (the most important). Coarse patches come first, then finer ones, the most important
 * region first, until the order of the regions no longer changes, `seconds` have passed or there
 * were `MAX_INFERENCES` inferences.
 *
 * @param {Uint8Array} pixels
 * @param {[number, number]} size height and width
 * @param {(pixels: Uint8Array) => Promise<number>} probabilityOf the label's, for other pixels
 * @param {number} seconds
 * @param {(done: number) => void} [onProgress] inferences so far
 * @returns {Promise<Omit<OcclusionMap, "label">>}
 */
export async function occlusionMap(pixels, [height, width], probabilityOf, seconds, onProgress) {
  const deadline = performance.now() + 1000 * seconds;
  const blurred = gaussianBlur(pixels, height, width, height / 10);
  const difference = Float32Array.from(blurred, (value, place) => value - pixels[place]);
  const importance = new Float32Array(height * width);
  const weight = new Float32Array(height * width).fill(1e-6);
  const covered = new Uint8Array(pixels.length);
  const mean = () => importance.map((value, place) => value / weight[place]);
  const uncovered = logOdds(await probabilityOf(pixels));
  let done = 1;
  /** @type {(grid: number, cell: number, share: number) => Promise<void>} */
  const cover = async (grid, cell, share) => {
    const mask = patch(grid, cell, height, width);
    for (let place = 0; place < pixels.length; place++) {
      const change = Math.fround(mask[Math.floor(place / 3)] * difference[place]);
      covered[place] = Math.fround(pixels[place] + change);
    }
    const loss = Math.fround(
      share * Math.max(0, uncovered - logOdds(await probabilityOf(covered))),
    );
    for (let place = 0; place < mask.length; place++) {
      importance[place] += Math.fround(loss * mask[place]);
      weight[place] += Math.fround(share * mask[place]);
    }
    done += 1;
    onProgress?.(done);
  };
  for (let cell = 0; cell < COARSE ** 2; cell++) await cover(COARSE, cell, 1);
  const ranked = rankedRegions(mean(), height, width);
  let order = ranked;
  for (const [place, cell] of ranked.slice(0, MAX_INFERENCES - done).entries()) {
    if (performance.now() > deadline) break;
    await cover(FINE, cell, FINE_WEIGHT);
    if ((place + 1) % PATCHES_PER_CHECK) continue;
    const previous = order;
    order = rankedRegions(mean(), height, width);
    if (order.slice(0, COMPARED_REGIONS).every((region, rank) => region === previous[rank])) break;
  }
  stretch(mean(), importance);
  return meanCells(importance, height, width, MAP_CELLS);
}

/** @type {(map: Float32Array, height: number, width: number) => number[]} */
function rankedRegions(map, height, width) {
  const { heat } = meanCells(map, height, width, FINE);
  const means = Array.from(heat, (value) => Math.round(value * 1000));
  return [...means.keys()].sort((a, b) => means[b] - means[a]);
}

/** Log-odds still change where probabilities are near 1. @param {number} probability */
function logOdds(probability) {
  const bounded = Math.min(Math.max(probability, 1e-6), 1 - 1e-6);
  return Math.log(bounded / (1 - bounded));
}

/**
 * Return a soft patch, 0 to 1, over one cell of a grid of `grid` × `grid`.
 *
 * @type {(grid: number, cell: number, height: number, width: number) => Float32Array}
 */
function patch(grid, cell, height, width) {
  const row = softSteps(grid, height)[Math.floor(cell / grid)];
  const column = softSteps(grid, width)[cell % grid];
  return Float32Array.from(
    { length: height * width },
    (_, place) => row[Math.floor(place / width)] * column[place % width],
  );
}

/** Return one soft step per grid line. @type {(grid: number, length: number) => Float32Array[]} */
function softSteps(grid, length) {
  const reach = length / grid;
  return Array.from({ length: grid }, (_, line) =>
    Float32Array.from({ length }, (_, place) => {
      const distance = Math.abs(place + 0.5 - ((line + 0.5) * length) / grid);
      return Math.min(Math.max(1.5 - distance / reach, 0), 1);
    }),
  );
}

/** Stretch most values to 0 to 1. @type {(values: Float32Array, target: Float32Array) => void} */
function stretch(values, target) {
  const sorted = values.slice().sort();
  const low = percentile(sorted, 15);
  const spread = Math.max(percentile(sorted, 97) - low, 1e-6);
  values.forEach((value, place) => {
    target[place] = Math.min(Math.max((value - low) / spread, 0), 1);
  });
}

/** Interpolated as by NumPy. @type {(sorted: Float32Array, percent: number) => number} */
function percentile(sorted, percent) {
  const place = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

/**
 * Return the means over equal parts of a map, `cells` along a side.
 *
 * @type {(map: Float32Array, height: number, width: number, cells: number) => Omit<OcclusionMap,
 *   "label">}
 */
function meanCells(map, height, width, cells) {
  const rows = edges(height, cells);
  const columns = edges(width, cells);
  const heat = [];
  for (let row = 0; row + 1 < rows.length; row++) {
    for (let column = 0; column + 1 < columns.length; column++) {
      let sum = 0;
      for (let y = rows[row]; y < rows[row + 1]; y++) {
        for (let x = columns[column]; x < columns[column + 1]; x++) sum += map[y * width + x];
      }
      const area = (rows[row + 1] - rows[row]) * (columns[column + 1] - columns[column]);
      heat.push(sum / area);
    }
  }
  return { rows: rows.length - 1, columns: columns.length - 1, heat: Float32Array.from(heat) };
}

/** @type {(length: number, most: number) => number[]} */
function edges(length, most) {
  const cells = Math.min(most, length);
  return Array.from({ length: cells + 1 }, (_, cell) => Math.floor((cell * length) / cells));
}

/**
 * Blur pixels as Pillow's `GaussianBlur` does, by box blurs.
 *
 * Source: `BoxBlur.c` in Pillow's `src/libImaging`.
 *
 * @type {(pixels: Uint8Array, height: number, width: number, radius: number) => Uint8Array}
 */
export function gaussianBlur(pixels, height, width, radius) {
  const box = boxRadius(radius);
  let blurred = pixels;
  for (let pass = 0; pass < PASSES; pass++) {
    blurred = blurLines(blurred, height, width * 3, width, 3, box);
  }
  for (let pass = 0; pass < PASSES; pass++) {
    blurred = blurLines(blurred, width, 3, height, width * 3, box);
  }
  return blurred;
}

/**
 * Return the radius of the box blur whose passes have this standard deviation.
 *
 * @param {number} radius
 */
function boxRadius(radius) {
  const f = Math.fround; // Pillow calculates in single precision
  const variance = f(f(f(radius) * f(radius)) / PASSES);
  const length = f(Math.sqrt(12 * variance + 1));
  const whole = Math.floor((length - 1) / 2);
  const part = f((2 * whole + 1) * f(whole * (whole + 1) - f(3 * variance)));
  return f(whole + f(part / f(6 * f(variance - (whole + 1) * (whole + 1)))));
}

/**
 * Blur rows or columns by a box whose outermost pixels count in part; edges are extended. Steps are
 * places between two lines, and between two pixels of a line.
 *
 * @type {(pixels: Uint8Array, lines: number, lineStep: number, length: number, step: number,
 *   boxRadius: number) => Uint8Array}
 */
function blurLines(pixels, lines, lineStep, length, step, boxRadius) {
  const radius = Math.trunc(boxRadius);
  const inner = Math.trunc(Math.fround(2 ** 24 / Math.fround(boxRadius * 2 + 1)));
  const outer = Math.trunc((2 ** 24 - (radius * 2 + 1) * inner) / 2);
  const result = new Uint8Array(pixels.length);
  for (let line = 0; line < lines; line++) {
    for (let channel = 0; channel < 3; channel++) {
      const start = line * lineStep + channel;
      /** @param {number} place */
      const at = (place) => pixels[start + Math.min(Math.max(place, 0), length - 1) * step];
      let sum = 0;
      for (let place = -radius - 1; place < radius; place++) sum += at(place);
      for (let place = 0; place < length; place++) {
        sum += at(place + radius) - at(place - radius - 1);
        const weighted = sum * inner + (at(place - radius - 1) + at(place + radius + 1)) * outer;
        result[start + place * step] = Math.floor((weighted + 2 ** 23) / 2 ** 24);
      }
    }
  }
  return result;
}
