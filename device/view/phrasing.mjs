/**
 * A prediction in words, by the rules and templates of `model/words.json`, as on the server.
 *
 * A phrase is a list of texts and labels, `["Very likely a ", { label: "shirt" }]`, so that a page
 * can give labels their own language. In each function `model` is what `model.json` says, a loaded
 * model's `info`, and `prediction` comes from its `identify` with at least one candidate.
 */

import { toFixed } from "../engine/rounding.mjs";

/** Return the answer in words, as a phrase. */
export function headline(model, prediction) {
  return capitalize(fill(certaintyRule(model, prediction).headline, model, prediction));
}

/** Return how far to trust an answer: up to two phrases. */
export function honestLines(model, prediction) {
  const rule = certaintyRule(model, prediction);
  const lines = rule.note ? [fill(rule.note, model, prediction)] : [];
  const { records, testing } = model.words;
  const own = records[prediction.graph];
  let record = (own ?? records.full)?.[rule.record] ?? [];
  if (rule.record === "labels") record = record[topIndex(model, prediction)] ?? [];
  if (record.length) lines.push(join([record, [own ? testing.same_graph : testing.other_graph]]));
  return lines;
}

/** Return whether an answer names a label and is sure enough of it to stand out in a chart. */
export function isSure(model, prediction) {
  const { sure = false } = certaintyRule(model, prediction);
  return sure && prediction.candidates[0].probability >= model.words.sure_from;
}

/** Return the first rule that a prediction fits; its `certainty` is "likely", "few", … */
export function certaintyRule(model, prediction) {
  const facts = {
    known: prediction.known,
    multilabel: model.multilabel,
    labels: model.labels.length,
    present: model.multilabel ? prediction.answer.length : 0,
    plausible: prediction.plausible?.length ?? 0,
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

/** Return a phrase as plain text. */
export function toText(phrase) {
  return phrase.map((part) => part.label ?? part).join("");
}

/**
 * Show a phrase in an element. Labels name their language and set their own direction, so that
 * they are read aloud and broken into lines rightly, and Arabic does not turn the English around.
 */
export function showPhrase(element, phrase, language) {
  element.replaceChildren(
    ...phrase.map((part) => (typeof part === "string" ? part : labelElement(part.label, language))),
  );
}

/** Return a `span` with a label, its language and its direction. */
export function labelElement(label, language) {
  const span = document.createElement("span");
  span.lang = language;
  span.dir = "auto";
  span.textContent = label;
  return span;
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
  const nameOf = (label) => names[model.labels.indexOf(label)];
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
    case "present":
      return list(prediction.answer.map(nameOf), conjunctions.present);
    case "plausible":
      return list(prediction.plausible.map(nameOf), conjunctions.plausible);
  }
}

function topIndex(model, prediction) {
  return model.labels.indexOf(prediction.candidates[0].label);
}

/** Return "a", "a or b", "a, b or c". */
function list(phrases, conjunction) {
  const last = phrases.length - 1;
  return join(
    phrases.flatMap((phrase, index) => {
      if (index === 0) return [phrase];
      return [[index === last ? ` ${conjunction} ` : ", "], phrase];
    }),
  );
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
