/**
 * From a photo's pixels to a prediction: the graph's outputs, or those of a head on its features,
 * and the JSON of the command line, by the rules of `model/answer/prediction.py`.
 */

import { LoupeError } from "./errors.mjs";
import { round, roundHalfEven } from "./rounding.mjs";

/** @type {(loaded: Loaded, pixels: Uint8Array) => Promise<Output>} */
export async function run(loaded, pixels) {
  const { probabilities, novelty = null, features } = await loaded.engine.run(pixels);
  if (loaded.answer) return loaded.answer(features);
  return { probabilities, novelty: novelty && novelty[0] };
}

/**
 * Compare the graph's outputs for the pixels of all golden photos with those recorded in Python.
 *
 * @type {(loaded: Loaded) => Promise<void>}
 * @throws {LoupeError} "golden-mismatch"
 */
export async function testGolden(loaded) {
  const { golden } = loaded.model.graphs[loaded.graph];
  const pixels = loaded.goldenPixels;
  const size = pixels.length / golden.count;
  if (!golden.count) throw new LoupeError("bundle-damaged", "The model has no golden outputs.");
  for (let photo = 0; photo < golden.count; photo++) {
    const output = await run(loaded, pixels.slice(photo * size, (photo + 1) * size));
    const expected = golden.probabilities[photo];
    const difference = Math.max(
      ...expected.map((value, label) => Math.abs(value - output.probabilities[label])),
    );
    // Written so that NaN counts as a mismatch.
    let matches = difference <= golden.tolerance;
    if (golden.novelty) {
      const scale = Math.max(1, Math.abs(golden.novelty[photo]));
      const novelty = output.novelty ?? NaN;
      matches &&= Math.abs(novelty - golden.novelty[photo]) <= golden.tolerance * scale;
    }
    if (!matches) {
      throw new LoupeError(
        "golden-mismatch",
        `This browser doesn’t reproduce the model’s golden outputs (largest difference ` +
          `${difference.toPrecision(2)}), so its answers can’t be trusted.`,
      );
    }
  }
}

/**
 * Return the label indices, the most probable first. Labels whose probabilities agree to four
 * digits keep the bundle's order, because engines differ in the sixth digit.
 *
 * @param {ArrayLike<number>} probabilities
 */
export function ranking(probabilities) {
  const keys = Array.from(
    probabilities,
    (value) => -roundHalfEven(Math.log(Math.max(value, 1e-30)) * 1e4),
  );
  return Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b] || a - b);
}

/**
 * Return the indices of the labels that reach their threshold, best first, or null without
 * calibration. The top label is always included, and so is every label likelier than another one
 * in the set.
 *
 * @type {(probabilities: ArrayLike<number>, thresholds?: number[] | null) => number[] | null}
 */
export function predictionSet(probabilities, thresholds) {
  if (!thresholds) return null;
  const order = ranking(probabilities);
  const last = order.findLastIndex(
    (label, rank) => rank === 0 || probabilities[label] >= thresholds[label],
  );
  return order.slice(0, last + 1);
}

/**
 * @type {(model: ModelConfig, graph: GraphName, output: Output, milliseconds: Times, top?: number)
 *   => Prediction}
 */
export function predict(model, graph, { probabilities, novelty }, milliseconds, top = 5) {
  const { calibration } = model.graphs[graph];
  const order = ranking(probabilities);
  const threshold = calibration?.ood_threshold ?? null;
  const known = novelty === null || threshold === null ? null : novelty <= threshold;
  const set = predictionSet(probabilities, calibration?.label_thresholds);
  /** @param {number} label */
  const name = (label) => model.labels[label];
  /** @param {number} label */
  const rounded = (label) => round(probabilities[label], 6);
  /** @type {Prediction["answer"]} */
  let answer = known === false ? null : name(order[0]);
  if (model.multilabel) {
    answer = order.filter((label) => rounded(label) >= model.words.present_from).map(name);
  }
  const candidates = order.slice(0, top);
  const times = Object.entries(milliseconds).map(([step, time]) => [step, round(time, 2)]);
  return {
    model: model.name,
    version: model.version,
    ...{ engine: "wasm", runs_in: "device", graph, answer },
    candidates: candidates.map((label) => ({ label: name(label), probability: rounded(label) })),
    known,
    novelty: calibration ? novelty : null,
    plausible: set && set.map(name),
    milliseconds: /** @type {any} */ (Object.fromEntries(times)),
  };
}
