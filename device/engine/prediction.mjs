/**
 * From a graph's outputs to a prediction: the JSON of the command line, by the rules of
 * `model/answer/prediction.py`.
 */

/** @import { GraphName, ModelConfig, Output, Prediction, Times } from "../types" */

import { round, roundHalfEven } from "./rounding.mjs";

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
 * @param {ArrayLike<number>} probabilities
 * @param {number[] | null} [thresholds]
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
 * Return the prediction for one photo.
 *
 * @param {ModelConfig} model
 * @param {GraphName} graph
 * @param {Output} output
 * @param {Times} milliseconds
 * @param {number} top number of candidates
 * @returns {Prediction}
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
  return {
    model: model.name,
    version: model.version,
    engine: "wasm",
    runs_in: "device",
    graph,
    answer,
    candidates: order.slice(0, top).map((label) => ({
      label: name(label),
      probability: rounded(label),
    })),
    known,
    novelty: calibration ? novelty : null,
    plausible: set && set.map(name),
    milliseconds: {
      decode: round(milliseconds.decode, 2),
      preprocess: round(milliseconds.preprocess, 2),
      engine: round(milliseconds.engine, 2),
      total: round(milliseconds.total, 2),
    },
  };
}
