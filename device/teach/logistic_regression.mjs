/**
 * Logistic regression on few photos with many features: scikit-learn's `LogisticRegression`, which
 * minimises the sum of −log softmax(Wx + b)[label] plus ‖W‖²/(2C), with b free.
 *
 * The rows of W are sums of the photos' features, so only inner products matter. The rows of the
 * Gram matrix's Cholesky factor have the same ones and are no longer than there are photos. Features
 * are centred first: that changes b alone, and L-BFGS needs a fraction of the steps.
 *
 * Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.4 and 7.5 (L-BFGS).
 */

/** Inverse strength of the regularization: `INVERSE_REGULARIZATION` in `model/teaching/`. */
const C = 0.1;

/** Pivots below this share of the largest are dropped: copies make the matrix singular. */
const SMALLEST_PIVOT = 1e-11;

/** Rows that are multiplied at once, so that no sum waits for the one before. */
const BLOCK = 4;

/** Bound of the error of logits at which fitting ends. */
const TOLERANCE = 1e-4;

const [MEMORY, MAX_STEPS] = [20, 1000];

/**
 * A Cholesky factor: its rows, its columns and their length, a multiple of `BLOCK`.
 *
 * @typedef {{rows: Float64Array, columns: Float64Array, stride: number}} Factor
 */

/**
 * Weights of the factor's rows [labels, stride], then biases [labels].
 *
 * @typedef {Float64Array} Fit
 */

/** @param {number} count */
const padded = (count) => Math.ceil(count / BLOCK) * BLOCK;

/**
 * Return the inner products of the photos' features, [N, N].
 *
 * @param {Float32Array[]} features
 */
export function gramMatrix(features) {
  const [count, size, rows] = [features.length, features[0].length, padded(features.length)];
  const gram = new Float64Array(count * count);
  const matrix = new Float64Array(rows * size);
  for (let i = 0; i < count; i++) matrix.set(features[i], i * size);
  const products = new Float64Array(2 * rows);
  for (let i = 0; i < count; i++) {
    const isSecond = i % 2;
    for (let row = 0; !isSecond && row <= i + 1; row += BLOCK) {
      multiply(matrix, row, size, matrix, i * size, size, 0, size, products, row, rows);
    }
    for (let j = 0; j <= i; j++) {
      gram[i * count + j] = gram[j * count + i] = products[isSecond * rows + j];
    }
  }
  return gram;
}

/**
 * Write the inner products of `BLOCK` rows, from column `from` to `end`, with two vectors: the one
 * at `start`, and one `step` later. Results are at `place`, and `skip` later.
 *
 * @type {(matrix: Float64Array, row: number, stride: number, vectors: Float64Array, start: number,
 *   step: number, from: number, end: number, results: Float64Array, place: number,
 *   skip: number) => void}
 */
function multiply(matrix, row, stride, vectors, start, step, from, end, results, place, skip) {
  const first = row * stride;
  const [second, third, fourth] = [first + stride, first + 2 * stride, first + 3 * stride];
  const other = start + step;
  let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let column = from; column < end; column++) {
    const one = vectors[start + column];
    const two = vectors[other + column];
    const top = matrix[first + column];
    const next = matrix[second + column];
    const after = matrix[third + column];
    const last = matrix[fourth + column];
    a += top * one;
    b += next * one;
    c += after * one;
    d += last * one;
    e += top * two;
    f += next * two;
    g += after * two;
    h += last * two;
  }
  results[place] = a;
  results[place + 1] = b;
  results[place + 2] = c;
  results[place + 3] = d;
  results[place + skip] = e;
  results[place + skip + 1] = f;
  results[place + skip + 2] = g;
  results[place + skip + 3] = h;
}

/**
 * Return the Cholesky factor of the Gram matrix of centred features.
 *
 * @type {(gram: Float64Array) => Factor}
 */
export function factorize(gram) {
  const count = Math.sqrt(gram.length);
  const stride = padded(count);
  const [rows, columns] = [new Float64Array(stride * stride), new Float64Array(stride * stride)];
  const means = Array.from({ length: count }, (_, i) => meanOf(gram, i * count, count));
  const overall = meanOf(means, 0, count);
  /** @type {(i: number, j: number) => number} */
  const centred = (i, j) => gram[i * count + j] - means[i] - means[j] + overall;
  const largest = Math.max(...means.map((_, i) => centred(i, i)));
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = centred(i, j);
      for (let k = 0; k < j; k++) rest -= rows[i * stride + k] * rows[j * stride + k];
      if (i === j) rest = rest > SMALLEST_PIVOT * largest ? Math.sqrt(rest) : 0;
      else rest = rows[j * stride + j] && rest / rows[j * stride + j];
      rows[i * stride + j] = columns[j * stride + i] = rest;
    }
  }
  return { rows, columns, stride };
}

/** @type {(values: ArrayLike<number>, start: number, count: number) => number} */
function meanOf(values, start, count) {
  let sum = 0;
  for (let place = start; place < start + count; place++) sum += values[place];
  return sum / count;
}

/**
 * Fit the photos' labels (`targets`) to the factor's rows: those of `photos`, by default of all.
 * `start` is where to begin, and `pause` is awaited before each step.
 *
 * @type {(factor: Factor, targets: number[], labels: number, options?: {photos?: number[],
 *   start?: Fit, pause?: () => Promise<void>}) => Promise<Fit>}
 */
export async function fit(factor, targets, labels, { photos, start, pause } = {}) {
  const { rows, columns, stride } = factor;
  const used = photos ?? targets.map((_, photo) => photo);
  // scikit-learn has one row of weights for two labels: each half is regularized twice as much.
  const strength = (labels === 2 ? 2 : 1) / C;
  const size = labels * stride;
  const [logits, slopes] = [new Float64Array(size), new Float64Array(size)];
  const scores = new Float64Array(labels);
  /** @type {Loss} */
  const evaluate = (point, gradient) => {
    let loss = 0;
    gradient.fill(0, size);
    for (let at = 0; at < size; at += 2 * stride) {
      // An odd label is alone.
      const step = at + stride < size ? stride : 0;
      for (let row = 0; row < stride; row += BLOCK) {
        multiply(rows, row, stride, point, at, step, 0, row + BLOCK, logits, at + row, step);
      }
    }
    for (const i of used) {
      for (let label = 0; label < labels; label++) {
        scores[label] = logits[label * stride + i] + point[size + label];
      }
      const right = scores[targets[i]];
      loss += softmax(scores) - right;
      scores[targets[i]] -= 1;
      for (let label = 0; label < labels; label++) {
        slopes[label * stride + i] = scores[label];
        gradient[size + label] += scores[label];
      }
    }
    for (let at = 0; at < size; at += 2 * stride) {
      const step = at + stride < size ? stride : 0;
      for (let row = 0; row < stride; row += BLOCK) {
        multiply(columns, row, stride, slopes, at, step, row, stride, gradient, at + row, step);
      }
    }
    for (let place = 0; place < size; place++) {
      loss += (strength / 2) * point[place] ** 2;
      gradient[place] += strength * point[place];
    }
    return loss;
  };
  const point = start?.slice() ?? new Float64Array(size + labels);
  const lengths = used.map((i) => lengthOf(rows.subarray(i * stride, i * stride + i + 1)));
  // The loss curves at least as much as the regularization alone.
  await minimise(evaluate, point, (TOLERANCE * strength) / Math.max(1, ...lengths), pause);
  return point;
}

/** @type {(factor: Factor, point: Fit, labels: number, photo: number) => Float64Array} */
export function logitsOf({ rows, stride }, point, labels, photo) {
  const row = rows.subarray(photo * stride, (photo + 1) * stride);
  return Float64Array.from({ length: labels }, (_, label) => {
    const weights = point.subarray(label * stride, (label + 1) * stride);
    return dot(row, weights) + point[labels * stride + label];
  });
}

/**
 * Return the weights of features [labels, D] and the biases of a fit.
 *
 * @type {(factor: Factor, point: Fit, labels: number, features: Float32Array[]) =>
 *   {weight: Float32Array, bias: Float32Array}}
 */
export function weightsOf({ rows, stride }, point, labels, features) {
  const [count, size] = [features.length, features[0].length];
  const [weight, bias] = [new Float32Array(labels * size), new Float32Array(labels)];
  const centre = new Float64Array(size);
  for (const photo of features) addTo(centre, 1 / count, photo);
  for (let label = 0; label < labels; label++) {
    // Back substitution: the weights of rows become shares of photos.
    const shares = point.slice(label * stride, label * stride + count);
    for (let i = count - 1; i >= 0; i--) {
      const pivot = rows[i * stride + i];
      shares[i] = pivot && shares[i] / pivot;
      for (let j = 0; j < i; j++) shares[j] -= shares[i] * rows[i * stride + j];
    }
    const share = meanOf(shares, 0, count);
    const sum = new Float64Array(size);
    for (let i = 0; i < count; i++) addTo(sum, shares[i] - share, features[i]);
    weight.set(sum, label * size);
    bias[label] = point[labels * stride + label] - dot(sum, centre);
  }
  return { weight, bias };
}

/**
 * Replace scores by their softmax; return the logarithm of the sum of their exponentials.
 *
 * @param {Float64Array} scores
 */
export function softmax(scores) {
  // Not by spreading or iterating: this is called for each photo at each step.
  let [largest, sum] = [-Infinity, 0];
  for (let label = 0; label < scores.length; label++) largest = Math.max(largest, scores[label]);
  for (let label = 0; label < scores.length; label++) {
    sum += scores[label] = Math.exp(scores[label] - largest);
  }
  for (let label = 0; label < scores.length; label++) scores[label] /= sum;
  return largest + Math.log(sum);
}

/** @type {(a: ArrayLike<number>, b: ArrayLike<number>) => number} */
export function dot(a, b) {
  let sum = 0;
  for (let place = 0; place < a.length; place++) sum += a[place] * b[place];
  return sum;
}

/** @param {ArrayLike<number>} values */
export const lengthOf = (values) => Math.sqrt(dot(values, values));

/** @type {(sum: Float64Array, factor: number, values: ArrayLike<number>) => void} */
export function addTo(sum, factor, values) {
  for (let place = 0; place < sum.length; place++) sum[place] += factor * values[place];
}

/** @typedef {(point: Float64Array, gradient: Float64Array) => number} Loss */
/** @typedef {{moved: Float64Array, turned: Float64Array, curvature: number}} Step */

/**
 * Move a point to the minimum of a convex function, until its gradient is at most `tolerance` long.
 *
 * @type {(evaluate: Loss, point: Float64Array, tolerance: number, pause?: () => Promise<void>) =>
 *   Promise<void>}
 */
async function minimise(evaluate, point, tolerance, pause) {
  /** @type {Step[]} */
  const steps = [];
  let [gradient, nextGradient] = [point.slice(), point.slice()];
  let loss = evaluate(point, gradient);
  for (let count = 0; count < MAX_STEPS && lengthOf(gradient) > tolerance; count++) {
    await pause?.();
    const direction = descend(gradient, steps);
    const slope = dot(gradient, direction);
    let length = steps.length ? 1 : 1 / lengthOf(gradient);
    const next = point.slice();
    addTo(next, length, direction);
    let nextLoss = evaluate(next, nextGradient);
    // Rounding hides the last descents.
    while (nextLoss > loss + 1e-4 * length * slope + 1e-13 * loss && length > 1e-12) {
      length /= 2;
      addTo(next, -length, direction);
      nextLoss = evaluate(next, nextGradient);
    }
    const moved = direction.map((value) => value * length);
    const turned = nextGradient.map((value, place) => value - gradient[place]);
    const curvature = dot(moved, turned);
    if (curvature > 0) steps.push({ moved, turned, curvature });
    if (steps.length > MEMORY) steps.shift();
    point.set(next);
    [gradient, nextGradient, loss] = [nextGradient, gradient, nextLoss];
  }
}

/** @type {(gradient: Float64Array, steps: Step[]) => Float64Array} */
function descend(gradient, steps) {
  const direction = gradient.map((value) => -value);
  /** @type {number[]} */
  const shares = [];
  for (let at = steps.length - 1; at >= 0; at--) {
    const { moved, turned, curvature } = steps[at];
    shares[at] = dot(moved, direction) / curvature;
    addTo(direction, -shares[at], turned);
  }
  const last = steps.at(-1);
  const scale = last ? last.curvature / dot(last.turned, last.turned) : 1;
  for (let place = 0; place < direction.length; place++) direction[place] *= scale;
  for (const [at, { moved, turned, curvature }] of steps.entries()) {
    addTo(direction, shares[at] - dot(turned, direction) / curvature, moved);
  }
  return direction;
}
