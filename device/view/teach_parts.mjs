/** The elements of "Teach", and what draws in them. */

import { createButton, createIcon, h } from "./elements.mjs";
import { createCorners } from "./photo_view.mjs";

/** Return the elements that stay, by name; `on` has the handlers. */
export function createTeachParts(on) {
  const iconButton = (text, icon, onclick) =>
    createButton("vf-icon-button", text, { icon, isIconOnly: true, onclick });
  const parts = {
    video: h("video.vf-video", { muted: true, playsInline: true, autoplay: true }),
    hint: h("div.tv-hint"),
    back: h("a.vf-icon-button", { ariaLabel: "Back to Identify" }, createIcon("back")),
    chip: h("button.vf-chip.tv-chip", { type: "button", onclick: on.onMenu }),
    flip: iconButton("Other camera", "flip", on.onFlip),
    pill: h("p.tv-pill", { hidden: true }),

    labels: h("ul.tv-labels", { ariaLabel: "Labels" }),
    askLine: h("p.vf-sub"),
    field: h("input.tv-field", { type: "text", autocapitalize: "none", autocomplete: "off" }),
    askNote: h("p.vf-small"),
    enough: h("section.tv-enough", { ariaLabel: "Is it enough?" }),
    note: h("p.vf-small.tv-note", { role: "alert" }),
    finish: h("div.tv-finish"),

    left: h("button.vf-act", { type: "button" }),
    shutter: h("button.vf-shutter.tv-shutter", { type: "button", onclick: on.onShutter }),
    right: h("button.vf-act", { type: "button" }),
    where: h("button.vf-where", { type: "button", onclick: on.onMenu }),
    clear: createButton("vf-text-button.tv-clear", "Clear all", { onclick: on.onClear }),

    page: h("div.tv-page"),
    status: h("p.vf-unseen", { role: "status" }),
    /** Live answers are read aloud from here. */
    spoken: h("p.vf-unseen", { ariaLive: "polite" }),
    // Of any type: the content decides.
    pick: h("input", { type: "file", multiple: true, hidden: true }),
    capture: h("input", { type: "file", accept: "image/*", hidden: true }),
    open: h("input", { type: "file", accept: ".loupe,.zip", hidden: true }),
  };
  const { askLine, askNote, back, capture, chip, clear, enough, field, finish, flip } = parts;
  const { hint, labels, left, open, page, pick, pill, right, shutter, spoken, status } = parts;
  const square = h("div.vf-square", { onclick: on.onSquare }, hint, createCorners());
  const topbar = h("div.tv-topbar", back, chip, flip);
  const picture = h("div.tv-picture", parts.video, h("div.vf-stage", square), topbar, pill);
  const ask = h("h2.tv-title", "What is this?");
  const form = h("form.tv-form", { onsubmit: on.onName, onkeydown: on.onFieldKey }, ask);
  form.append(askLine, field, askNote);
  const tools = h(
    "div.tv-tools",
    tool("New label", "more", () => on.onNewLabel()),
  );
  tools.append(h("p.vf-small", "or drop folders anywhere: a folder’s name is its label"));
  const middle = h("div.tv-middle", labels, form, tools, enough, parts.note, finish);
  const deck = h("div.tv-deck", left, shutter, right, h("div.tv-foot", parts.where, clear));
  const main = h("div.tv-main", picture, middle, deck);
  const touch = { onpointerdown: on.onTouch, onkeydown: on.onTouch };
  const root = h("div.vf.tv", { hidden: true, ...touch }, main, page, status, spoken);
  root.append(pick, capture, open);
  parts.video.ariaHidden = "true";
  capture.setAttribute("capture", "environment");
  return { ...parts, square, picture, form, tools, main, root };
}

/** Return a small button with an icon. */
export const tool = (text, icon, onclick) =>
  createButton("vf-button.tv-slim", text, { icon, onclick });

/** Replace children only if their data has changed. */
export function redraw(element, data, create) {
  const key = JSON.stringify(data ?? null);
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  replace(element, create());
}

/** Replace children; the focus stays at its place among the buttons. */
export function replace(element, children) {
  const buttons = () => [...element.querySelectorAll("button")];
  const { activeElement } = /** @type {Document} */ (element.getRootNode());
  const place = buttons().indexOf(/** @type {HTMLButtonElement} */ (activeElement));
  element.replaceChildren(...children);
  if (place >= 0) buttons()[place]?.focus();
}

/** URLs of photos by their ids: an image that is drawn anew must not be decoded anew. */
export class PhotoUrls {
  #urls = new Map();

  of({ id, photo }) {
    if (!this.#urls.has(id)) this.#urls.set(id, URL.createObjectURL(photo));
    return this.#urls.get(id);
  }

  /** Free those of all but some photos. */
  keep(photos) {
    const ids = new Set(photos.map(({ id }) => id));
    for (const [id, url] of this.#urls) {
      if (ids.has(id)) continue;
      URL.revokeObjectURL(url);
      this.#urls.delete(id);
    }
  }
}

/** Return a label as it was typed, apart from the text around it. */
export const bdi = (label) => h("bdi", label);
/** The same at the beginning of a line. */
export function capitalized(label) {
  const [first = "", ...rest] = label;
  return bdi(first.toLocaleUpperCase() + rest.join(""));
}
/** Return a phrase's nodes. */
export const nodesOf = (phrase) =>
  phrase.map((part, at) =>
    typeof part === "string" ? part : at ? bdi(part.label) : capitalized(part.label),
  );

/** Return a button that says what it undoes. */
export function createUndo(text, { onUndo }) {
  const button = tool("Undo: ", "back", onUndo);
  button.lastElementChild.append(...nodesOf(["", ...text]));
  return button;
}
