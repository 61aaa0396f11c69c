/**
 * An answer in words and numbers. States differ in words first, then in shape, then in colour. A
 * stranger who opens a link sees the words in place of a photo, what this app is, and how to try
 * it.
 */

import { createButton, createCaption, createIcon, h } from "./elements.mjs";
import { createLabel, phraseNodes, toText } from "./phrasing.mjs";
import { formatOf, engineOf, sourceOf } from "./disclosure.mjs";
import { createCorners } from "./photo_view.mjs";

/** Smallest probability that has a bar. */
const LEAST = 0.001;
/** Answers that name one label, beside which its percentage stands. */
const ONE = new Set(["likely", "probable"]);
/** Places where another model sees the photo. */
const PLACES = { device: "On this device", server: "On the server" };
/** Names of recent photos whose answers name no label. */
const SHORT = { unknown: "none of these", nothing: "nothing I know" };

/**
 * Tones by certainty: "sure" (solid, accent), "doubt" (hollow, amber), "unknown" (no numbers) or
 * "plain" (grey: not calibrated).
 */
const TONES = { unknown: "unknown", few: "doubt", hard: "doubt", guess: "plain", nothing: "plain" };

export const toneOf = ({ certainty }) => TONES[certainty] ?? "sure";

/** Return the tone of the corners: as that of the bars, but accent only if very likely. */
export function cornersOf({ certainty }) {
  const tone = certainty === "likely" ? "sure" : TONES[certainty];
  return tone === "plain" ? "" : (tone ?? "");
}

export function createLines({ lines, language }) {
  return lines.map((line) => h("p.vf-sub", ...phraseNodes(line, language)));
}

/** Return an element whose `--value` is a share in percent. */
function createMark(selector, share, properties = {}) {
  const mark = h(selector, properties);
  mark.style.setProperty("--value", String(share * 100));
  return mark;
}

/** Return the percentage that stands beside an answer's headline, or "". */
export const percentOf = ({ certainty, percents: [first] }) =>
  certainty === "guess" ? `about ${first}` : ONE.has(certainty) ? first : "";

/** Return the likeliest labels with bars on one axis, a table to screen readers, and the rest. */
export function createBars(answer, rowCount) {
  const { candidates, plausible, answer: named } = answer.prediction;
  const isNamed = new Set(plausible?.length ? plausible : [named].flat());
  const [first, ...others] = candidates.slice(0, rowCount);
  const shown = [first, ...others.filter(({ probability }) => probability >= LEAST)];
  const rows = shown.map(({ label, probability }, index) => {
    const head = h("div", { role: "rowheader" }, createLabel(label, answer.language));
    const track = h("div.vf-track", { ariaHidden: "true" }, createMark("i.vf-bar", probability));
    const share = h("div", { role: "cell" }, answer.percents[index]);
    const row = h("div.vf-row", { role: "row" }, head, track, share);
    row.toggleAttribute("data-named", isNamed.has(label));
    return row;
  });
  const bars = h("div.vf-bars", { role: "table", ariaLabel: "The likeliest labels" }, ...rows);
  bars.dataset.tone = toneOf(answer);
  // Only calibrated models call something very likely.
  const axis = h("div.vf-axis", { ariaHidden: "true" }, h("div.vf-track", "very likely"));
  if (plausible) bars.prepend(axis);
  const rest = 1 - shown.reduce((sum, { probability }) => sum + probability, 0);
  if (shown.length < Math.min(rowCount, candidates.length)) {
    return [bars, h("div.vf-rest", "Everything else under 0.1%")];
  }
  if (candidates.length > shown.length && rest >= LEAST) {
    const share = (rest * 100).toFixed(rest < 0.1 ? 1 : 0);
    return [bars, h("div.vf-rest", `Everything else: ${share}%`)];
  }
  return [bars];
}

/** Return the ruler of a live answer and its next two labels. Its height never changes. */
export function createRuler(answer) {
  const { candidates } = answer.prediction;
  const ruler = h("div.vf-ruler", { ariaHidden: "true" });
  for (let at = 0; at <= 100; at += 10) {
    const tick = createMark("i.vf-tick", at / 100);
    tick.toggleAttribute("data-tall", [0, 50, 90, 100].includes(at));
    ruler.append(tick);
  }
  if (answer.certainty === "unknown") return [ruler, ...createLines(answer).slice(0, 1)];
  ruler.append(createMark("i.vf-value", candidates[0].probability));
  const rows = candidates.slice(1, 3).map(({ label, probability }, index) => {
    const hairline = createMark("i.vf-hairline", probability, { ariaHidden: "true" });
    const name = h("span", createLabel(label, answer.language));
    const share = h("span", answer.percents[index + 1]);
    return h("div.vf-next-label", name, hairline, share);
  });
  return [ruler, ...rows];
}

/**
 * Return what to try after an answer by `current` that names nothing: the model that knows most, as
 * the likeliest to know this, then the others; each with its `place`, see `placeOf`.
 */
export function createWaysOn(models, current, onModel, teach) {
  const others = models
    .filter(({ name }) => name !== current)
    .toSorted((one, other) => other.count - one.count);
  const [first, ...items] = others.map(({ name, title, language, knows, place }) => {
    const line = [...knows, `. ${PLACES[place] ?? "Asks you first"}`];
    const heading = ["Try “", h("bdi", title), "”"];
    const properties = { type: "button", onclick: () => onModel(name) };
    const caption = createCaption(heading, phraseNodes(line, language));
    const parts = [createIcon("swap"), caption, createIcon("next")];
    return h("li", h("button.vf-way", properties, ...parts));
  });
  const titles = others.slice(1).map(({ title }) => h("bdi", title));
  const more = foldModels([...items, createTeachLink(teach)], titles);
  return h("ul.vf-ways-on", ...(first ? [first] : []), ...more);
}

function createTeachLink(address) {
  const caption = createCaption(["Teach your own"], ["Name two things and film them"]);
  return h("li", h("a.vf-way", { href: address }, createIcon("pen"), caption, createIcon("next")));
}

/** Return several items as one that opens, a single one as it is. */
function foldModels(items, titles) {
  if (items.length < 2) return items;
  const names = titles.flatMap((title, index) => (index ? [", ", title] : [title]));
  const caption = createCaption(["Other models, or teach your own"], names);
  const summary = h("summary.vf-way", createIcon("more"), caption, createIcon("down"));
  const details = h("details", summary, h("ul", ...items));
  details.ontoggle = () => details.open && details.scrollIntoView({ block: "nearest" });
  return [h("li", details)];
}

export function createSamples(samples, onSample) {
  if (!samples.length) return [];
  const items = samples.map((sample) => {
    const image = h("img.vf-thumb", { loading: "lazy", alt: sample.alt, src: sample.thumbnail });
    const onclick = () => onSample(sample);
    const title = h("span.vf-title", { ariaHidden: "true", dir: "auto" }, sample.title);
    const item = h("li", h("button.vf-sample", { type: "button", onclick }, image, title));
    // The thumbnail is missing without a network.
    image.onerror = () => item.remove();
    return item;
  });
  return [h("h3.vf-small", "Or try one of these"), h("ul.vf-places", ...items)];
}

/** Images by entry: each new one would be read and decoded again, which takes long to free. */
const thumbnails = new WeakMap();

function thumbnailOf(entry) {
  if (!thumbnails.has(entry)) {
    const src = URL.createObjectURL(entry.photo);
    const image = h("img.vf-thumb", { alt: "", src, onload: () => URL.revokeObjectURL(src) });
    image.onerror = () => {
      URL.revokeObjectURL(src);
      const kind = h("span.vf-thumb", formatOf(entry.photo) || "File");
      thumbnails.set(entry, kind);
      image.replaceWith(kind);
    };
    thumbnails.set(entry, image);
  }
  return thumbnails.get(entry);
}

/** Return the recent photos, each a button that opens its answer again. */
export function createRecents(entries, onOpen, onClear) {
  const items = entries.map((entry) => {
    const name = h("span", ...phraseNodes(shortName(entry.answer), entry.answer.language));
    const properties = { type: "button", onclick: () => onOpen(entry) };
    const button = h("button.vf-recent", properties, thumbnailOf(entry), name);
    button.dataset.entry = entry.id;
    return h("li", button);
  });
  const clear = createButton("vf-text-button", "Clear", { onclick: onClear });
  clear.append(h("span.vf-unseen", " recent photos"));
  return [
    // No heading: after a rejected photo there is none above it.
    h("div.vf-visit-head", h("p.vf-small", "This visit"), clear),
    h("ul.vf-strip", { ariaLabel: "This visit" }, ...items),
  ];
}

function shortName({ certainty, prediction }) {
  if (SHORT[certainty]) return [SHORT[certainty]];
  const { answer, plausible } = prediction;
  const labels = plausible?.length ? plausible.slice(0, 3) : [answer].flat();
  return labels.flatMap((label, index) => [...(index ? [", "] : []), { label }]);
}

/** Longest answer in large type, in characters. */
const MAX_LARGE = 14;

const ABOUT = "Loupe is a viewfinder: point a phone at something, and a model";

/**
 * Return the children of the landing.
 *
 * @param {Entry} entry of a link
 * @param {{isOnPhone: boolean, models: string | null, rows: number}} about whether the model can
 *   run on the visitor's device, the address of "Models", and the number of candidates to show
 * @param {string} message an error, or ""
 * @param {() => void} onTry
 */
export function createLanding(entry, { isOnPhone, models, rows }, message, onTry) {
  const { answer, note, said } = entry;
  const isLong = toText(said.answer).length > MAX_LARGE;
  const word = h("span.vf-word", ...phraseNodes(said.answer, answer.language));
  word.toggleAttribute("data-long", isLong);
  const percent = said.percent ? [" ", h("b", said.percent)] : [];
  const heading = h("h2.vf-told", h("span.vf-by", said.by), " ", word, ...percent);
  const link = h("a.vf-text-button", { href: models ?? "" }, "What does it know?");
  return [
    h("div.vf-said", heading, createCorners()),
    h("p.vf-no-photo", said.photo),
    h("p.vf-alert", { role: "alert" }, message),
    h("p.vf-about", `${ABOUT}${isOnPhone ? " on that phone" : ""} says what it is.`),
    createButton("vf-button.vf-main", "Try it yourself", { icon: "camera", onclick: onTry }),
    ...(models ? [link] : []),
    createProof(answer, said.proof, note, rows),
  ];
}

/** Return whether this app can vouch for an answer; opened, why, and the answer in full. */
function createProof(answer, proof, note, rows) {
  const bars = toneOf(answer) === "unknown" ? [] : createBars(answer, rows);
  const source = `${sourceOf(answer, true, true, null)}, ${engineOf(answer)}`;
  const summary = h("summary", createIcon("info"), h("span", proof), createIcon("down"));
  const details = h("details.vf-proof", summary, h("p.vf-sub", note), ...createLines(answer));
  details.append(...bars, h("p.vf-small", source));
  details.ontoggle = () => details.open && details.scrollIntoView({ block: "nearest" });
  return details;
}
