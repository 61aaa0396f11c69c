/**
 * Logistic regression on few photos with many features: scikit-learn's `LogisticRegression`, which
 * minimises the sum of −log softmax(Wx + b)[label] plus ‖W‖²/(2C), with b free.
 *
 * The rows of W are sums of the photos' features, so only inner products matter: what is fitted is
 * each photo's share. Features are centred first: that changes b alone, and saves most steps.
 *
 * Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.4 and 7.5 (L-BFGS) and 3.1
 * (backtracking).
 */

/** Inverse strength of the regularization: `INVERSE_REGULARIZATION` in `model/teaching/`. */
const C = 0.1;

/** Bound of the error of logits at which fitting ends. */
const TOLERANCE = 3e-5;

const [MEMORY, MAX_STEPS] = [10, 1000];

/** Share of the descent that the slope promises which a step must make, and of loss by rounding. */
const [DESCENT, ROUNDING] = [1e-4, 1e-13];

/**
 * Each label's shares of the photos, with its bias behind them; then all their products. The inner
 * product of two fits is that of one's shares with the other's products.
 *
 * @typedef {Float64Array} Fit
 */

/** @typedef {{moved: Fit, turned: Fit, curvature: number}} Step the change of point and gradient */

/** @param {Float32Array[]} features */
export function gramMatrix(features) {
  const rows = features.map((photo) => Float64Array.from(photo));
  const gram = rows.map(() => new Float64Array(rows.length));
  for (const [i, row] of rows.entries()) {
    multiply(rows.slice(0, i + 1), row, gram[i]);
    for (let j = 0; j < i; j++) gram[j][i] = gram[i][j];
  }
  return gram;
}

/**
 * Write the inner products of rows with a vector: four at once, so that no sum waits for another.
 *
 * @type {(rows: Float64Array[], vector: Float64Array, results: Float64Array) => void}
 */
function multiply(rows, vector, results) {
  for (let row = 0; row < rows.length; row += 4) {
    const [first, second = first, third = first, fourth = first] = rows.slice(row, row + 4);
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let at = 0; at < vector.length; at++) {
      const value = vector[at];
      a += first[at] * value;
      b += second[at] * value;
      c += third[at] * value;
      d += fourth[at] * value;
    }
    // Past the last row, nothing is kept.
    results.set([a, b, c, d].slice(0, rows.length - row), row);
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
   * @param {Float64Array[]} gram
   * @param {number[]} targets each photo's label
   * @param {number} labels their number
   */
  constructor(gram, targets, labels) {
    this.#targets = targets;
    this.#labels = labels;
    this.#stride = targets.length + 1;
    this.#size = labels * this.#stride;
    const means = gram.map(meanOf);
    const overall = meanOf(means);
    const centred = gram.map((row, i) =>
      row.map((value, j) => value - means[i] - means[j] + overall),
    );
    this.#products = [
      ...centred.map((row) => Float64Array.of(...row, 0)),
      new Float64Array(this.#stride),
    ];
    this.#products[targets.length][targets.length] = 1;
    const squares = centred.map((row, i) => row[i]);
    // scikit-learn has one row of weights for two labels: each half is regularized twice as much.
    this.#strength = (labels === 2 ? 2 : 1) / C;
    // The loss curves at least as much as the regularization alone.
    this.#tolerance = (TOLERANCE * this.#strength) / Math.max(1, Math.sqrt(Math.max(...squares)));
  }

  /**
   * Fit the photos, without those that are left out, from `start` on. `pause` is awaited often.
   *
   * @param {{out?: Set<number>, start?: Fit, pause?: () => Promise<void>}} [options]
   */
  async fit({ out = new Set(), start, pause } = {}) {
    /** @type {Step[]} */
    const steps = [];
    let here = this.#evaluate(start ?? new Float64Array(2 * this.#size), out);
    for (let count = 0; count < MAX_STEPS; count++) {
      await pause?.();
      const steepness = Math.sqrt(this.#inner(here.gradient, here.gradient));
      if (steepness <= this.#tolerance) break;
      const direction = this.#descent(here.gradient, steps);
      const slope = this.#inner(here.gradient, direction);
      let length = steps.length ? 1 : 1 / steepness;
      let next = this.#evaluate(sumOf(here.point, length, direction), out);
      // Rounding hides the last descents.
      while (next.loss > here.loss * (1 + ROUNDING) + DESCENT * length * slope) {
        length /= 2;
        next = this.#evaluate(sumOf(here.point, length, direction), out);
      }
      const moved = sumOf(next.point, -1, here.point);
      const turned = sumOf(next.gradient, -1, here.gradient);
      const curvature = this.#inner(moved, turned);
      if (curvature > 0) steps.push({ moved, turned, curvature });
      if (steps.length > MEMORY) steps.shift();
      here = next;
    }
    return here.point;
  }

  /** @type {(gradient: Fit, steps: Step[]) => Fit} */
  #descent(gradient, steps) {
    const direction = gradient.map((value) => -value);
    /** @type {number[]} */
    const shares = [];
    for (let at = steps.length - 1; at >= 0; at--) {
      const { moved, turned, curvature } = steps[at];
      shares[at] = this.#inner(moved, direction) / curvature;
      addTo(direction, -shares[at], turned);
    }
    const last = steps.at(-1);
    const scale = last ? last.curvature / this.#inner(last.turned, last.turned) : 1;
    for (let at = 0; at < direction.length; at++) direction[at] *= scale;
    for (const [at, { moved, turned, curvature }] of steps.entries()) {
      addTo(direction, shares[at] - this.#inner(turned, direction) / curvature, moved);
    }
    return direction;
  }

  /** @type {(point: Fit, out: Set<number>) => {point: Fit, loss: number, gradient: Fit}} */
  #evaluate(point, out) {
    const [count, stride] = [this.#targets.length, this.#stride];
    const gradient = new Float64Array(2 * this.#size);
    let loss = 0;
    for (let photo = 0; photo < count; photo++) {
      const [scores, target] = [this.logits(point, photo), this.#targets[photo]];
      const isOut = out.has(photo);
      softmax(scores);
      if (!isOut) loss -= Math.log(scores[target]);
      scores[target] -= 1;
      for (let label = 0; label < scores.length; label++) {
        const [place, error] = [label * stride + photo, isOut ? 0 : scores[label]];
        gradient[place] = error + this.#strength * point[place];
        gradient[label * stride + count] += error;
        loss += (this.#strength / 2) * point[place] * point[this.#size + place];
      }
    }
    for (let start = 0; start < this.#size; start += stride) {
      const [shares, end] = [gradient.subarray(start, start + stride), this.#size + start];
      multiply(this.#products, shares, gradient.subarray(end, end + stride));
    }
    return { point, loss, gradient };
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

/** @param {Float64Array} scores are replaced */
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

/** @type {(one: Fit, factor: number, other: Fit) => Fit} */
const sumOf = (one, factor, other) => one.map((value, place) => value + factor * other[place]);

/** @type {(sum: Float64Array, factor: number, values: ArrayLike<number>) => void} */
export function addTo(sum, factor, values) {
  for (let place = 0; place < sum.length; place++) sum[place] += factor * values[place];
}
