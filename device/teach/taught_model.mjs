/** Your model: a few-shot head in place of its base's own labels. */

import { LoupeError } from "../engine/errors.mjs";
import { noveltyOf, sumOf } from "./few_shot_head.mjs";
import { dot, softmax } from "./logistic_regression.mjs";
import { writeHead } from "./safetensors.mjs";
import { sha256 } from "./sha256.mjs";

const NUMBERS = "none one two three four five six seven eight nine ten eleven twelve".split(" ");

/** Largest difference of golden outputs; relative above one. */
const TOLERANCE = 1e-3;

/**
 * Return a trained head with its description.
 *
 * @type {(result: Taught, words: Pick<LoupeManifest, "title" | "language" | "labels" | "base">) =>
 *   TaughtModel}
 */
export function describe({ head, accuracy, groupOf: _, ...learnt }, words) {
  const packed = writeHead(head);
  /** @type {LoupeManifest} */
  const manifest = {
    ...{ format: 1, ...words, ...learnt, made: new Date().toISOString().slice(0, 10) },
    accuracy: accuracy && {
      right: accuracy.right,
      counted: accuracy.counted,
      folds: accuracy.folds,
    },
    head: { sha256: sha256(packed), bytes: packed.length },
  };
  return { manifest, head };
}

/**
 * Return the logits and the OOD score of a photo.
 *
 * @type {(head: Head, features: Float32Array) => {logits: number[], novelty: number}}
 */
export function applyHead({ weight, bias, means }, features) {
  const size = features.length;
  /** @param {Float32Array} matrix */
  const rows = (matrix) =>
    Array.from(bias, (_, label) => matrix.subarray(label * size, (label + 1) * size));
  const logits = rows(weight).map((row, label) => dot(row, features) + bias[label]);
  return { logits, novelty: noveltyOf(features, rows(means)) };
}

/** @type {(taught: TaughtModel, features: Float32Array) => Output} */
export function outputOf({ head, manifest }, features) {
  const { logits, novelty } = applyHead(head, features);
  const probabilities = Float64Array.from(logits, (logit) => logit / manifest.temperature);
  softmax(probabilities);
  return { probabilities: Float32Array.from(probabilities), novelty };
}

/**
 * Return the pixels of a drawn picture, for golden outputs without a photo: drawing 1.
 *
 * @type {(number: number, height: number, width: number) => Uint8Array}
 */
export function draw(number, height, width) {
  const pixels = new Uint8Array(height * width * 3);
  for (let place = 0; place < pixels.length; place++) {
    const [row, column] = [Math.floor(place / 3 / width), Math.floor(place / 3) % width];
    const channel = place % 3;
    const tile = ((row >> 4) ^ (column >> 4)) * (11 + 4 * channel);
    pixels[place] = row * (3 + 2 * channel) + column * (5 + channel) + 37 * number + tile;
  }
  return pixels;
}

/**
 * Compare a model's golden outputs with those on this device.
 *
 * @type {(golden: LoupeGolden, here: LoupeGolden) => void}
 * @throws {LoupeError} "golden-mismatch"
 */
export function compareGolden(golden, here) {
  const [expected, found] = [golden, here].map((one) => [...one.logits.flat(), ...one.novelty]);
  const isClose = expected.every(
    (value, at) => Math.abs(value - found[at]) <= TOLERANCE * Math.max(1, Math.abs(value)),
  );
  if (isClose) return;
  throw new LoupeError(
    "golden-mismatch",
    "This model doesn't answer here as it did where it was made, so its answers can't be " +
      "trusted. Teach it again from its photos.",
  );
}

/**
 * Return the config of a taught model: its base's with other labels, words and thresholds.
 *
 * @type {(base: ModelConfig, taught: TaughtModel) => ModelConfig}
 */
export function taughtConfig(base, { manifest }) {
  const { title, language, labels, head, ood_threshold } = manifest;
  const version = head.sha256.slice(0, 12);
  const small = { ...base.graphs.small, calibration: { label_thresholds: null, ood_threshold } };
  return {
    ...base,
    name: `taught-${version}`,
    version,
    title,
    description: "",
    language,
    labels,
    multilabel: false,
    words: {
      ...base.words,
      estimated: !testOf(manifest),
      things: NUMBERS[labels.length] ?? String(labels.length),
      names: labels.map((label) => [{ label }]),
      testing: { same_graph: "", other_graph: "" },
      records: { full: null, small: recordsOf(manifest) },
    },
    graphs: { ...base.graphs, small },
  };
}

/**
 * Return how often a model was right, null unless each label was tested.
 *
 * @type {(manifest: LoupeManifest) => LoupeManifest["accuracy"]}
 */
const testOf = ({ accuracy }) => (accuracy?.counted.every(Boolean) ? accuracy : null);

/** @type {(manifest: LoupeManifest) => {labels: Phrase[], plausible: Phrase, unknown: Phrase}} */
function recordsOf(manifest) {
  const { labels, promise } = manifest;
  const test = testOf(manifest);
  const how = test?.folds === "five" ? "tested in five parts" : "each tested without itself";
  const record = test
    ? [`Right for ${sumOf(test.right)} of ${sumOf(test.counted)} recordings, ${how}`]
    : [];
  const share = promise && Math.round(1 / (1 - promise));
  const unknown = share ? [`It says this of up to 1 in ${share} things it does know`] : [];
  return { labels: labels.map(() => record), plausible: [], unknown };
}
