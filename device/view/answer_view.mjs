/**
 * An answer in words and numbers. States differ in words first, then in shape, then in colour.
 */

import { formatOf } from "./ask.mjs";
import { createButton, createElement, createIcon, createUnseen } from "./elements.mjs";
import { formatPercent, labelElement, showPhrase, toText } from "./phrasing.mjs";
import { engineOf, sourceOf } from "./where.mjs";

const ROWS = 5;
/** Where another model sees the photo. */
const PLACES = { device: "On this device", any: "On the server" };
/** Names of recent photos whose answers name no label. */
const SHORT = { unknown: "none of these", nothing: "nothing I know" };

/** How answers are drawn that don't name one plausible label, by their certainty. */
const TONES = { unknown: "unknown", few: "doubt", hard: "doubt", guess: "plain", nothing: "plain" };

/**
 * Return how an answer is drawn: "sure" (solid, accent), "doubt" (hollow, amber), "unknown" (no
 * numbers) or "plain" (grey: not calibrated).
 */
export function toneOf({ certainty }) {
  return TONES[certainty] ?? "sure";
}

/** Return the tone of the corners: as that of the bars, but accent only if very likely. */
export function cornersOf({ certainty }) {
  if (certainty === "likely") return "sure";
  return { unknown: "unknown", few: "doubt", hard: "doubt" }[certainty] ?? "";
}

/** Return the percentage of a candidate in words. */
export function percentOf(answer, index, info) {
  const { probability } = answer.prediction.candidates[index];
  return answer.percents?.[index] ?? formatPercent(info, probability);
}

/** Return an answer's lines as paragraphs. */
export function createLines({ lines, language }) {
  return lines.map((line) => {
    const paragraph = createElement("p", { className: "vf-sub" });
    showPhrase(paragraph, line, language);
    return paragraph;
  });
}

/** Return the likeliest labels with bars on one axis; a table to screen readers. */
export function createBars(answer, info, rowCount = ROWS) {
  const { candidates, plausible, answer: named } = answer.prediction;
  const isNamed = new Set(plausible?.length ? plausible : [named].flat());
  const rows = candidates.slice(0, rowCount).map(({ label, probability }, index) => {
    const bar = createElement("i", { className: "vf-bar" });
    bar.style.setProperty("--value", String(probability * 100));
    const head = createElement("div", { role: "rowheader" }, labelElement(label, answer.language));
    const track = createElement("div", { className: "vf-track", ariaHidden: "true" }, bar);
    const share = createElement("div", { role: "cell" }, percentOf(answer, index, info));
    const row = createElement("div", { role: "row", className: "vf-row" }, head, track, share);
    row.toggleAttribute("data-named", isNamed.has(label));
    return row;
  });
  const bars = createElement("div", { role: "table", className: "vf-bars" }, ...rows);
  bars.ariaLabel = "The likeliest labels";
  bars.dataset.tone = toneOf(answer);
  // Only calibrated models call something very likely.
  if (plausible) bars.prepend(createAxis());
  return bars;
}

function createAxis() {
  const bracket = createElement("div", { className: "vf-track" }, "very likely");
  return createElement("div", { className: "vf-axis", ariaHidden: "true" }, bracket);
}

/**
 * Return the ruler of a live answer and its next two labels. Its height never changes.
 */
export function createRuler(answer, info) {
  const { candidates } = answer.prediction;
  const hasNumbers = answer.certainty !== "unknown";
  const ruler = createElement("div", { className: "vf-ruler", ariaHidden: "true" });
  for (let at = 0; at <= 100; at += 10) {
    const tick = createElement("i", { className: "vf-tick" });
    tick.toggleAttribute("data-tall", [0, 50, 90, 100].includes(at));
    tick.style.setProperty("--value", String(at));
    ruler.append(tick);
  }
  if (!hasNumbers) return [ruler, ...createLines(answer).slice(0, 1)];
  const value = createElement("i", { className: "vf-value" });
  value.style.setProperty("--value", String(candidates[0].probability * 100));
  ruler.append(value);
  const rows = candidates.slice(1, 3).map(({ label, probability }, index) => {
    const hairline = createElement("i", { className: "vf-hairline", ariaHidden: "true" });
    hairline.style.setProperty("--value", String(probability * 100));
    const name = createElement("span", {}, labelElement(label, answer.language));
    const share = createElement("span", {}, percentOf(answer, index + 1, info));
    return createElement("div", { className: "vf-next-label" }, name, hairline, share);
  });
  return [ruler, ...rows];
}

/**
 * Return what to try after an answer that names nothing: the model that knows most, as the likeliest
 * to know this, then the others.
 *
 * @param {(import("./types").Model & {place: string | null})[]} models see `placeOf`
 * @param {string} current name of the model that answered
 * @param {(name: string) => void} onModel
 */
export function createWaysOn(models, current, onModel) {
  const ways = models
    .filter(({ name }) => name !== current)
    .toSorted((one, other) => other.count - one.count)
    .map(({ name, title, language, knows, place }) => {
      const line = createElement("span", { className: "vf-small" });
      showPhrase(line, [...knows, `. ${PLACES[place] ?? "Asks you first"}`], language);
      const heading = createElement("b", {}, "Try “", createElement("bdi", {}, title), "”");
      const button = createElement("button", { type: "button", className: "vf-way" });
      button.append(
        createIcon("swap"),
        createElement("span", {}, heading, line),
        createIcon("next"),
      );
      button.onclick = () => onModel(name);
      return { title, item: createElement("li", {}, button) };
    });
  const [first, ...others] = ways;
  if (!first) return [];
  const items = others.map(({ item }) => item);
  return [createElement("ul", { className: "vf-ways-on" }, first.item, ...fold(items, others))];
}

/** Return several models as one way that opens; a single one needs no fold. */
function fold(items, others) {
  if (items.length < 2) return items;
  const names = others.flatMap(({ title }, index) => [
    ...(index ? [", "] : []),
    createElement("bdi", {}, title),
  ]);
  const words = createElement(
    "span",
    {},
    createElement("b", {}, "Other models"),
    createElement("span", { className: "vf-small" }, ...names),
  );
  const summary = createElement("summary", { className: "vf-way" });
  summary.append(createIcon("more"), words, createIcon("down"));
  const list = createElement("ul", {}, ...items);
  const details = createElement("details", {}, summary, list);
  details.ontoggle = () => details.open && details.scrollIntoView({ block: "nearest" });
  return [createElement("li", {}, details)];
}

/**
 * Return where an answer was computed, what was sent, and what computed it.
 *
 * @param {import("../types").Answer} answer
 * @param {string} sent what the app gets of a device's answer, if there is an app
 * @param {boolean} isLink of a link, perhaps of another visitor
 */
export function createSource(answer, sent, isLink) {
  const how = createElement("span", { className: "vf-how" }, `, ${engineOf(answer)}`);
  return createElement("span", {}, sourceOf(answer, sent, isLink), how);
}

/** Images by entry: each new one would be read and decoded again, which takes long to free. */
const thumbnails = new WeakMap();

function thumbnailOf(entry) {
  if (!thumbnails.has(entry)) {
    const image = createElement("img", { className: "vf-thumb", alt: "" });
    const url = URL.createObjectURL(entry.photo);
    image.onload = () => URL.revokeObjectURL(url);
    image.onerror = () => {
      URL.revokeObjectURL(url);
      const kind = createElement(
        "span",
        { className: "vf-thumb" },
        formatOf(entry.photo) || "File",
      );
      thumbnails.set(entry, kind);
      image.replaceWith(kind);
    };
    image.src = url;
    thumbnails.set(entry, image);
  }
  return thumbnails.get(entry);
}

/** Return the recent photos, each a button that opens its answer again. */
export function createRecents(entries, onOpen, onClear) {
  const items = entries.map((entry) => {
    const image = thumbnailOf(entry);
    const name = createElement("span", {});
    showPhrase(name, shortName(entry.answer), entry.answer.language);
    const button = createElement("button", { type: "button", className: "vf-recent" }, image, name);
    button.onclick = () => onOpen(entry);
    button.dataset.entry = entry.id;
    return createElement("li", {}, button);
  });
  // No heading: after a rejected photo there is none above it.
  const heading = createElement("p", { className: "vf-small" }, "This visit");
  const clear = createButton("vf-text-button", "Clear", { onclick: onClear });
  clear.append(createUnseen("span", {}, " recent photos"));
  return [
    createElement("div", { className: "vf-visit-head" }, heading, clear),
    createElement("ul", { className: "vf-strip", ariaLabel: "This visit" }, ...items),
  ];
}

/** Return the labels that an answer names, as a phrase. */
function shortName({ certainty, prediction }) {
  if (SHORT[certainty]) return [SHORT[certainty]];
  const { answer, plausible } = prediction;
  const labels = plausible?.length ? plausible.slice(0, 3) : [answer].flat();
  return labels.flatMap((label, index) => [...(index ? [", "] : []), { label }]);
}

/** Return what is read aloud when an answer arrives. */
export function spokenAnswer({ headline, lines }) {
  return [headline, ...lines].map(toText).join(". ");
}
