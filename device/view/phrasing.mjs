/**
 * A prediction in words, by the rules and templates of `model/answer/words.json`, as on the server.
 *
 * A phrase is a list of texts and labels, `["Very likely a ", { label: "shirt" }]`, so that a page
 * can give labels their own language. In each function `model` is what `model.json` says, a loaded
 * model's `info`, and `prediction` comes from its `identify` with at least one candidate.
 */

import { toFixed } from "../engine/rounding.mjs";
import { h } from "./elements.mjs";

/** Return what is shown of a prediction of this device, see `Answer`. */
export const phraseAnswer = (model, prediction) => ({
  prediction,
  headline: headline(model, prediction),
  lines: trustLines(model, prediction),
  certainty: certaintyRule(model, prediction).certainty,
  language: model.language,
  percents: prediction.candidates.map(({ probability }) => formatPercent(model, probability)),
});

export function headline(model, prediction) {
  return capitalize(fill(certaintyRule(model, prediction).headline, model, prediction));
}

/** Return how far to trust an answer: up to two phrases. */
export function trustLines(model, prediction) {
  const rule = certaintyRule(model, prediction);
  const lines = rule.note ? [fill(rule.note, model, prediction)] : [];
  const { records, testing } = model.words;
  const own = records[prediction.graph];
  let record = (own ?? records.full)?.[rule.record] ?? [];
  if (rule.record === "labels") record = record[topIndex(model, prediction)] ?? [];
  if (record.length) lines.push(join([record, [own ? testing.same_graph : testing.other_graph]]));
  return lines;
}

/** Return the first rule that a prediction fits; its `certainty` is "likely", "few", … */
export function certaintyRule(model, prediction) {
  const facts = {
    known: prediction.known,
    multilabel: model.multilabel,
    labels: model.labels.length,
    present: model.multilabel ? prediction.answer.length : 0,
    plausible: prediction.plausible?.length ?? 0,
    estimated: model.words.estimated,
    probability: prediction.candidates[0].probability,
  };
  return model.words.certainties.find((rule) =>
    Object.entries(rule.when).every(([name, wanted]) => fits(facts[name], wanted)),
  );
}

function fits(value, wanted) {
  if (typeof wanted !== "object") return value === wanted;
  const { min = -Infinity, max = Infinity } = wanted;
  return value !== null && min <= value && value <= max;
}

/** Return a share as a rounded percentage: 94%, 3.1%, <0.1%. */
export function formatPercent(model, share) {
  const rule = model.words.percent.find(({ below = Infinity }) => share < below);
  if (rule.text) return rule.text;
  return `${toFixed(Math.min(share, rule.at_most ?? share) * 100, rule.digits)}%`;
}

export function toText(phrase) {
  return phrase.map((part) => part.label ?? part).join("");
}

/**
 * Return a phrase's nodes. Labels name their language and set their own direction, so that they are
 * read aloud and broken into lines rightly, and Arabic does not turn the English around.
 */
export function phraseNodes(phrase, language) {
  return phrase.map((part) =>
    typeof part === "string" ? part : createLabel(part.label, language),
  );
}

export function createLabel(label, language) {
  return h("span", { lang: language, dir: "auto" }, label);
}

function fill(template, model, prediction) {
  // The odd pieces are placeholders.
  const pieces = template.split(/\{(\w+)\}/);
  return join(
    pieces.map((piece, index) => (index % 2 ? valueOf(piece, model, prediction) : [piece])),
  );
}

function valueOf(placeholder, model, prediction) {
  const { names, things, conjunctions } = model.words;
  const namesOf = (labels) => labels.map((label) => names[model.labels.indexOf(label)]);
  const name = names[topIndex(model, prediction)];
  switch (placeholder) {
    case "top":
      return name;
    case "closest":
      return [name.at(-1)];
    case "things":
      return [things];
    case "percent":
      return [formatPercent(model, prediction.candidates[0].probability)];
    case "present": {
      const present = namesOf(prediction.answer);
      // Of several labels, some may be adjectives: "a striped".
      const bare = present.length > 1 ? present.map((name) => [name.at(-1)]) : present;
      return list(bare, conjunctions.present);
    }
    case "plausible":
      return list(namesOf(prediction.plausible), conjunctions.plausible);
  }
}

function topIndex(model, prediction) {
  return model.labels.indexOf(prediction.candidates[0].label);
}

/** Return "a", "a or b", "a, b or c". */
function list(phrases, conjunction) {
  const last = phrases.length - 1;
  const before = (index) => (index === 0 ? "" : index === last ? ` ${conjunction} ` : ", ");
  return join(phrases.flatMap((phrase, index) => [[before(index)], phrase]));
}

/** Return phrases as one, in which no text is empty or follows another text. */
function join(phrases) {
  const joined = [];
  for (const part of phrases.flat()) {
    const isText = typeof part === "string";
    if (isText && typeof joined.at(-1) === "string") joined.push(joined.pop() + part);
    else if (part !== "") joined.push(part);
  }
  return joined;
}

function capitalize(phrase) {
  const [first, ...rest] = phrase;
  const text = first.label ?? first;
  const [letter = "", ...letters] = text;
  const capitalized = letter.toUpperCase() + letters.join("");
  return [typeof first === "string" ? capitalized : { label: capitalized }, ...rest];
}
