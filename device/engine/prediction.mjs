/**
 * From a graph's outputs to a prediction: the JSON of the command line, by the rules of
 * `model/decision.py` and `model/prediction.py`.
 */

/**
 * Return the label indices, the most probable first. Labels whose probabilities agree to four
 * digits keep the bundle's order, because engines differ in the sixth digit.
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
 * @param {object} model the contents of `model.json`
 * @param {string} graph the name of one of its graphs
 * @param {{probabilities: Float32Array, novelty: number | null}} output
 * @param {{decode: number, preprocess: number, engine: number, total: number}} milliseconds
 * @param {number} top number of candidates
 */
export function predict(model, graph, { probabilities, novelty }, milliseconds, top = 5) {
  const calibration = model.graphs[graph].calibration ?? {};
  const order = ranking(probabilities);
  const threshold = calibration.ood_threshold ?? null;
  const known = novelty === null || threshold === null ? null : novelty <= threshold;
  const set = predictionSet(probabilities, calibration.label_thresholds);
  const name = (label) => model.labels[label];
  const rounded = (label) => round(probabilities[label], 6);
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
    novelty: model.graphs[graph].calibration ? novelty : null,
    plausible: set && set.map(name),
    milliseconds: Object.fromEntries(
      Object.entries(milliseconds).map(([step, value]) => [step, round(value, 2)]),
    ),
  };
}

function round(value, digits) {
  return Number(toFixed(value, digits));
}

/** Return a number with a fixed number of decimals; as in Python, ties go to the even digit. */
export function toFixed(value, digits) {
  const scaled = value * 10 ** digits;
  // A number is exactly half way between two decimals only if it has one binary digit more.
  const isTie = Number.isInteger(value * 2 ** (digits + 1)) && Math.abs(scaled % 1) === 0.5;
  return isTie ? (roundHalfEven(scaled) / 10 ** digits).toFixed(digits) : value.toFixed(digits);
}

function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
