/**
 * What a stranger sees who opens a link: the answer's words in place of a photo, what this app is,
 * and the way to try it.
 */

import { createBars, createLines, toneOf } from "./answer_view.mjs";
import { engineOf, sourceOf } from "./disclosure.mjs";
import { createButton, createIcon, h } from "./elements.mjs";
import { createCorners } from "./photo_view.mjs";
import { phraseNodes, toText } from "./phrasing.mjs";

/** Longest answer in large type, in characters. */
const MAX_LARGE = 14;

const ABOUT = "Loupe is a viewfinder: point a phone at something, and a model";

/**
 * Return the children of the landing.
 *
 * @param {Entry} entry of a link
 * @param {object} about
 * @param {boolean} about.isOnPhone whether the model can run on the visitor's device
 * @param {string | null} about.models the address of "Models"
 * @param {number} about.rows number of candidates to show
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
