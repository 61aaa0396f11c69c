/**
 * The few-shot head: from the features of labelled photos to a model, and to what may be said of
 * it.
 *
 * The unit is the photo group: frames of one recording, and near copies. Whatever is claimed comes
 * from outputs for groups that were left out.
 */

import { addTo, dot, gramMatrix, lengthOf, Regression, softmax } from "./logistic_regression.mjs";

/** Above it, five folds of whole groups replace leaving out one group of each label. */
const MAX_GROUPS_ONE_BY_ONE = 60;
const FOLDS = 5;

/** Counted groups from which a share of known things is promised to be accepted. */
const PROMISES = [
  { groups: 19, level: 0.95 },
  { groups: 9, level: 0.9 },
];

/** Groups of each label from which the temperature is fitted. */
const MIN_GROUPS_FOR_TEMPERATURE = 3;

/** As in `model/calibration/fit.py`. */
const [MIN_TEMPERATURE, MAX_TEMPERATURE, PRIOR_SPREAD] = [0.05, 20, 0.5];

/** Quantile of the normal distribution for Wilson's intervals of 95%. */
const Z = 1.959963984540054;

/** @typedef {{label: number, photos: number[], mean: Float64Array}} Group with its mean features */
/** @typedef {{logits: Float64Array, novelty: number}[]} Outputs by photo, if it was left out */

/**
 * Train a head, and test it on groups that were left out. `pause` is awaited often.
 *
 * @type {(values: TeachValues, pause?: () => Promise<void>) => Promise<Taught>}
 */
export async function teach(values, pause) {
  const { features, targets, labels, fallback_cosine } = values;
  const gram = gramMatrix(features);
  await pause?.();
  const groups = findGroups(values, gram);
  const byLabel = byLabels(groups, labels);
  const regression = new Regression(gram, targets, labels);
  const start = await regression.fit({ pause });
  const leftOut = /** @type {Outputs} */ ([]);
  for (const fold of findFolds(groups, byLabel)) {
    const out = new Set(fold.flatMap(({ photos }) => photos));
    const point = await regression.fit({ out, start, pause });
    const rest = groups.filter((group) => !fold.includes(group));
    const means = meansOf(byLabels(rest, labels));
    for (const photo of out) {
      const novelty = noveltyOf(features[photo], means);
      leftOut[photo] = { logits: regression.logits(point, photo), novelty };
    }
  }
  const counted = groups.filter(({ photos }) => leftOut[photos[0]]);
  const scores = counted.map(({ photos }) => photos.map((photo) => leftOut[photo].novelty));
  const isFitted = byLabel.every((some) => some.length >= MIN_GROUPS_FOR_TEMPERATURE);
  const means = meansOf(byLabel).flatMap((mean) => Array.from(mean));
  return {
    head: { ...regression.weights(start, features), means: Float32Array.from(means) },
    temperature: isFitted ? fitTemperature(groups, leftOut) : 1,
    ...findThreshold(scores, fallback_cosine),
    groupOf: targets.map((_, photo) => groups.findIndex(({ photos }) => photos.includes(photo))),
    photos: byLabel.map((some) => some.flatMap(({ photos }) => photos).length),
    groups: byLabel.map((some) => some.length),
    accuracy: counted.length ? judge(counted, leftOut, labels, groups) : null,
  };
}

/**
 * In the order of their first photos. @type {(values: TeachValues, gram: Float64Array[]) =>
 * Group[]}
 */
function findGroups({ features, targets, recordings, near_copy }, gram) {
  /** Each photo's first one of the same group. */
  const first = targets.map((_, photo) => photo);
  for (let i = 0; i < first.length; i++) {
    for (let j = 0; j < i; j++) {
      const isNear = gram[i][j] >= near_copy * Math.sqrt(gram[i][i] * gram[j][j]);
      if (targets[i] !== targets[j] || !(isNear || recordings[i] === recordings[j])) continue;
      const [before, after] = [first[i], first[j]].sort((a, b) => a - b);
      for (let k = 0; k <= i; k++) if (first[k] === after) first[k] = before;
    }
  }
  return Array.from(new Set(first), (one) => {
    const photos = first.flatMap((other, photo) => (other === one ? [photo] : []));
    return { label: targets[one], photos, mean: meanOf(photos.map((photo) => features[photo])) };
  });
}

/** @type {(groups: Group[], labels: number) => Group[][]} */
const byLabels = (groups, labels) =>
  Array.from({ length: labels }, (_, label) => groups.filter((one) => one.label === label));

/** @param {Group[]} groups */
const isOneByOne = (groups) => groups.length <= MAX_GROUPS_ONE_BY_ONE;

/**
 * Return the groups that are left out together: one of each label, or a fifth. The others would
 * outnumber a label that alone lacks one. A label's only group is never left out.
 *
 * @type {(groups: Group[], byLabel: Group[][]) => Group[][]}
 */
function findFolds(groups, byLabel) {
  const count = isOneByOne(groups) ? Math.max(...byLabel.map(({ length }) => length)) : FOLDS;
  const testable = groups.filter(({ label }) => byLabel[label].length > 1);
  return Array.from({ length: testable.length && count }, (_, fold) =>
    testable.filter((group) => byLabel[group.label].indexOf(group) % count === fold),
  );
}

/** @type {(vectors: ArrayLike<number>[]) => Float64Array} */
function meanOf(vectors) {
  const mean = new Float64Array(vectors[0].length);
  for (const vector of vectors) addTo(mean, 1 / vectors.length, vector);
  return mean;
}

/** Means of groups' means, of length one. @type {(byLabel: Group[][]) => Float64Array[]} */
const meansOf = (byLabel) =>
  byLabel.map((some) => {
    const mean = meanOf(some.map((group) => group.mean));
    const length = lengthOf(mean) || 1;
    return mean.map((value) => value / length);
  });

/**
 * Return a photo's OOD score: the highest cosine to a mean, negative. Means are of length one.
 *
 * @type {(features: Float32Array, means: ArrayLike<number>[]) => number}
 */
export function noveltyOf(features, means) {
  const length = lengthOf(features) || 1;
  return -Math.max(...means.map((mean) => dot(features, mean))) / length;
}

/**
 * Return the OOD threshold by the left-out scores of each counted group's photos, and the share of
 * known things that it is promised to accept.
 *
 * Source: Dunn, Wasserman and Ramdas, Distribution-Free Prediction Sets for Two-Layer Hierarchical
 * Models, 2022 (pooled CDFs).
 *
 * @type {(scores: number[][], fallback: number) => Pick<Taught, "ood_threshold" | "promise">}
 */
function findThreshold(scores, fallback) {
  const count = scores.length;
  const promise = PROMISES.find(({ groups }) => count >= groups)?.level ?? null;
  const wanted = (promise ?? 1) * (count + 1);
  const pooled = scores.flatMap((some) => some.map((score) => ({ score, share: 1 / some.length })));
  pooled.sort((a, b) => a.score - b.score);
  let sum = 0;
  // Rounding must not ask for one more group.
  const found = promise && pooled.find(({ share }) => (sum += share) >= wanted - 1e-9);
  const threshold = (found || pooled.at(-1))?.score ?? -Infinity;
  // What is promised is never moved.
  return { ood_threshold: promise ? threshold : Math.max(threshold, -fallback), promise };
}

/** @type {(counted: Group[], leftOut: Outputs, labels: number, groups: Group[]) => LeftOut} */
function judge(counted, leftOut, labels, groups) {
  /** @type {(...photos: number[]) => number} */
  const callOf = (...photos) => topLabel(meanOf(photos.map((photo) => leftOut[photo].logits)));
  const outcomes = counted.map((group) => ({ ...group, called: callOf(...group.photos) }));
  const every = Array.from({ length: labels }, (_, label) => label);
  const table = every.flatMap((label) =>
    every.map((called) => {
      const some = outcomes.filter((one) => one.label === label && one.called === called);
      return { label, called, groups: some.length, photos: some.flatMap(({ photos }) => photos) };
    }),
  );
  const right = every.map((label) => table[label * labels + label].groups);
  const confusions = table.filter((one) => one.groups && one.label !== one.called);
  const named = counted.flatMap(({ label, photos }) =>
    photos.map((photo) => ({ photo, label, called: callOf(photo) })),
  );
  return {
    folds: isOneByOne(groups) ? "each group" : "five",
    right,
    counted: byLabels(counted, labels).map(({ length }) => length),
    interval: wilsonInterval(sumOf(right), counted.length),
    confusions: confusions.sort((a, b) => b.groups - a.groups),
    standing_out: named.filter(({ label, called }) => called !== label),
  };
}

/** @param {Float64Array} values */
const topLabel = (values) => values.indexOf(Math.max(...values));

/** @param {number[]} values */
export const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

/** @type {(right: number, count: number) => [number, number]} */
function wilsonInterval(right, count) {
  const share = right / count;
  const centre = share + Z ** 2 / (2 * count);
  const reach = Z * Math.sqrt((share * (1 - share)) / count + (Z / (2 * count)) ** 2);
  const scale = 1 + Z ** 2 / count;
  return [Math.max(0, (centre - reach) / scale), Math.min(1, (centre + reach) / scale)];
}

/**
 * Return the temperature of left-out logits, by `fit_temperature` in `model/calibration/`; each
 * group weighs one.
 *
 * @type {(groups: Group[], leftOut: Outputs) => number}
 */
function fitTemperature(groups, leftOut) {
  /** @param {number} logarithm */
  const loss = (logarithm) => {
    let sum = (logarithm / PRIOR_SPREAD) ** 2 / 2;
    for (const { label, photos } of groups) {
      for (const photo of photos) {
        const scores = leftOut[photo].logits.map((value) => value / Math.exp(logarithm));
        softmax(scores);
        sum -= Math.log(Math.max(scores[label], 1e-12)) / photos.length;
      }
    }
    return sum;
  };
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [Math.log(MIN_TEMPERATURE), Math.log(MAX_TEMPERATURE)];
  // The golden section search narrows the range to a millionth.
  for (let step = 0; step < 32; step++) {
    const [left, right] = [high - ratio * (high - low), low + ratio * (high - low)];
    if (loss(left) < loss(right)) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}
