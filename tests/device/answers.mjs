/**
 * Read models and graph outputs as JSON from standard input; write, for each output, what a page
 * would show of it.
 */

import { readFileSync } from "node:fs";
import { certaintyRule, headline, honestLines } from "../../device/view/phrasing.mjs";
import { formatPercent, toText } from "../../device/view/phrasing.mjs";
import { predict } from "../../device/engine/prediction.mjs";

const { models, cases } = JSON.parse(readFileSync(0, "utf8"));

const answers = cases.map(({ model: number, graph, probabilities, novelty, milliseconds, top }) => {
  const model = models[number];
  const output = { probabilities: Float32Array.from(probabilities), novelty };
  const prediction = predict(model, graph, output, milliseconds, top);
  return {
    prediction,
    certainty: certaintyRule(model, prediction).certainty,
    headline: headline(model, prediction),
    text: toText(headline(model, prediction)),
    honest_lines: honestLines(model, prediction),
    percent: formatPercent(model, prediction.candidates[0].probability),
  };
});
process.stdout.write(JSON.stringify(answers));
