/**
 * Logistic regression on few photos with many features: scikit-learn's `LogisticRegression`, which
 * minimises the sum of −log softmax(Wx + b)[label] plus ‖W‖²/(2C), with b free.
 *
 * The rows of W are sums of the photos' features, so only inner products matter: what is fitted is
 * each photo's share. Features are centred first: that changes b alone, and saves most steps.
 *
 * Source: Nocedal and Wright, Numerical Optimization, 2006, section 5.2 (conjugate gradients).
 */

/** Inverse strength of the regularization: `INVERSE_REGULARIZATION` in `model/teaching/`. */
const C = 0.1;

/** Rows that are multiplied at once, so that no sum waits for the one before. */
const BLOCK = 4;

/** Bound of the error of logits at which fitting ends. */
const TOLERANCE = 1e-4;

const [MAX_STEPS, MAX_TRIALS] = [1000, 20];

/** A step ends where the slope is this share of the one at its start. */
const LEVEL = 0.1;

/**
 * Each label's shares of the photos, with its bias behind them; then all their products. The inner
 * product of two fits is that of one's shares with the other's products.
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
  const [count, size] = [features.length, features[0].length];
  const matrix = new Float64Array(padded(count) * size);
  for (let i = 0; i < count; i++) matrix.set(features[i], i * size);
  const gram = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    const row = gram.subarray(i * count, (i + 1) * count);
    multiply(matrix, i + 1, matrix.subarray(i * size, (i + 1) * size), row);
    for (let j = 0; j < i; j++) gram[j * count + i] = row[j];
  }
  return gram;
}

/**
 * Write the inner products of a matrix's first rows with a vector.
 *
 * @type {(matrix: Float64Array, rows: number, vector: Float64Array, results: Float64Array) => void}
 */
function multiply(matrix, rows, vector, results) {
  const size = vector.length;
  for (let row = 0; row < rows; row += BLOCK) {
    const first = row * size;
    const [second, third, fourth] = [first + size, first + 2 * size, first + 3 * size];
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let at = 0; at < size; at++) {
      const value = vector[at];
      a += matrix[first + at] * value;
      b += matrix[second + at] * value;
      c += matrix[third + at] * value;
      d += matrix[fourth + at] * value;
    }
    // Past the results' end, nothing is written.
    results[row] = a;
    results[row + 1] = b;
    results[row + 2] = c;
    results[row + 3] = d;
  }
}

/** Labelled photos, and what fits them. */
export class Regression {
  #targets;
  #labels;
  /** Inner products of the centred features and, behind them, of the bias. */
  #products;
  #stride;
  #size;
  #strength;
  #tolerance;

  /**
   * @param {Float64Array} gram
   * @param {number[]} targets each photo's label
   * @param {number} labels their number
   */
  constructor(gram, targets, labels) {
    const [count, stride] = [targets.length, targets.length + 1];
    this.#targets = targets;
    this.#labels = labels;
    this.#stride = stride;
    this.#size = labels * stride;
    const products = new Float64Array(padded(stride) * stride);
    const means = targets.map((_, i) => meanOf(gram.subarray(i * count, (i + 1) * count)));
    const overall = meanOf(means);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) {
        products[i * stride + j] = gram[i * count + j] - means[i] - means[j] + overall;
      }
    }
    const squares = targets.map((_, i) => products[i * stride + i]);
    // As long as a photo, so that the bias moves as fast.
    products[count * stride + count] = meanOf(squares) || 1;
    this.#products = products;
    // scikit-learn has one row of weights for two labels: each half is regularized twice as much.
    this.#strength = (labels === 2 ? 2 : 1) / C;
    // The loss curves at least as much as the regularization alone.
    this.#tolerance = (TOLERANCE * this.#strength) / Math.max(1, Math.sqrt(Math.max(...squares)));
  }

  /**
   * Fit the photos, without those that are left out. `start` is where to begin, and `pause` is
   * awaited before each step.
   *
   * @param {{out?: Set<number>, start?: Fit, pause?: () => Promise<void>}} [options]
   */
  async fit({ out = new Set(), start, pause } = {}) {
    /** @type {Fit} */
    let point = start ?? new Float64Array(2 * this.#size);
    let gradient = this.#gradientAt(point, out);
    /** @type {Fit} */
    let direction = new Float64Array(2 * this.#size);
    let [before, square, slope, length] = [gradient, Infinity, 0, 1 / this.#strength];
    for (let step = 0; step < MAX_STEPS; step++) {
      await pause?.();
      this.#addProducts(gradient);
      const [now, lastSlope] = [this.#inner(gradient, gradient), slope];
      if (Math.sqrt(now) <= this.#tolerance) break;
      const share = Math.max(0, (now - this.#inner(before, gradient)) / square);
      direction = direction.map((value, at) => share * value - gradient[at]);
      slope = this.#inner(gradient, direction);
      if (slope >= 0) [direction, slope] = [gradient.map((value) => -value), -now];
      [before, square] = [gradient, now];
      if (step) length *= lastSlope / slope;
      ({ point, gradient, length } = this.#descend(point, direction, slope, length, out));
    }
    return point;
  }

  /**
   * Go along a direction to where the loss hardly descends; begin with a step of this length.
   *
   * @type {(from: Fit, direction: Fit, slope: number, length: number, out: Set<number>) =>
   *   {point: Fit, gradient: Fit, length: number}}
   */
  #descend(from, direction, slope, length, out) {
    let [low, high, last] = [0, Infinity, { length: 0, slope }];
    for (let trial = 1; ; trial++) {
      const point = from.map((value, at) => value + length * direction[at]);
      const gradient = this.#gradientAt(point, out);
      const here = { length, slope: this.#inner(gradient, direction) };
      const isFlat = Math.abs(here.slope) <= LEVEL * Math.abs(slope);
      if (isFlat || trial === MAX_TRIALS) return { point, gradient, length };
      if (here.slope < 0) low = length;
      else high = length;
      length -= (here.slope * (length - last.length)) / (here.slope - last.slope);
      if (!(length > low && length < high)) length = high < Infinity ? (low + high) / 2 : 2 * low;
      last = here;
    }
  }

  /**
   * Return the loss's gradient at a point; its products are still missing.
   *
   * @type {(point: Fit, out: Set<number>) => Fit}
   */
  #gradientAt(point, out) {
    const [count, stride] = [this.#targets.length, this.#stride];
    const gradient = new Float64Array(2 * this.#size);
    for (let photo = 0; photo < count; photo++) {
      const [scores, isOut] = [this.logits(point, photo), out.has(photo)];
      softmax(scores);
      scores[this.#targets[photo]] -= 1;
      for (let label = 0; label < scores.length; label++) {
        const [place, error] = [label * stride + photo, isOut ? 0 : scores[label]];
        gradient[place] = error + this.#strength * point[place];
        gradient[label * stride + count] += error;
      }
    }
    return gradient;
  }

  /** @type {(point: Fit, photo: number) => Float64Array} */
  logits(point, photo) {
    const scores = new Float64Array(this.#labels);
    for (let label = 0; label < scores.length; label++) {
      const row = this.#size + label * this.#stride;
      scores[label] = point[row + photo] + point[row + this.#stride - 1];
    }
    return scores;
  }

  /** @param {Fit} point */
  #addProducts(point) {
    const [stride, size] = [this.#stride, this.#size];
    for (let at = 0; at < size; at += stride) {
      const results = point.subarray(size + at, size + at + stride);
      multiply(this.#products, stride, point.subarray(at, at + stride), results);
    }
  }

  /** @type {(one: Fit, other: Fit) => number} */
  #inner(one, other) {
    return dot(one.subarray(0, this.#size), other.subarray(this.#size));
  }

  /**
   * Return the weights of features [labels, D] and the biases of a fit.
   *
   * @type {(point: Fit, features: Float32Array[]) => {weight: Float32Array, bias: Float32Array}}
   */
  weights(point, features) {
    const [count, size] = [features.length, features[0].length];
    const [weight, bias] = [new Float32Array(this.#labels * size), new Float32Array(this.#labels)];
    const centre = new Float64Array(size);
    for (const photo of features) addTo(centre, 1 / count, photo);
    for (let label = 0; label < bias.length; label++) {
      const row = label * this.#stride;
      const sum = new Float64Array(size);
      for (let i = 0; i < count; i++) addTo(sum, point[row + i], features[i]);
      addTo(sum, -count * meanOf(point.subarray(row, row + count)), centre);
      weight.set(sum, label * size);
      bias[label] = point[this.#size + row + count] - dot(sum, centre);
    }
    return { weight, bias };
  }
}

/** @param {ArrayLike<number>} values */
function meanOf(values) {
  let sum = 0;
  for (let place = 0; place < values.length; place++) sum += values[place];
  return sum / values.length;
}

/**
 * Replace scores by their softmax.
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
