/**
 * The photo of an answer: what the model saw, with its surroundings or within the whole photo, its
 * corners, and the spotlight of "Why?".
 */

import { seenBox } from "./crop.mjs";
import { createIcon, h } from "./elements.mjs";
import { fileName, formatBytes } from "./disclosure.mjs";

/** Darkness of the photo where covering it changed nothing: as under the scrim. */
const DARKEST = 0.68;

const COVERING = "Covering one part of the photo at a time";
const SERVER_COVERING = "The server is covering one part of the photo at a time…";
const NO_EXPLANATION = "Why? couldn’t be worked out. Try again.";
const OTHER_MODEL = "The model has changed since. Take the photo again.";
const REPLACED = new Set(["other-version", "no-such-model"]);
const OTHER_ANSWER = "This photo now gets another answer, so Why? can’t be worked out.";

export function createCorners() {
  const corners = Array.from({ length: 4 }, () => h("i.vf-corner"));
  return h("div.vf-corners", { ariaHidden: "true" }, ...corners);
}

/** Its parent is the square, whose shape it sets. */
export class PhotoView {
  element = h("figure.vf-photo", { hidden: true });
  /** In place of a file that this browser can't draw, which the server may read: name and size. */
  fileLabel = h("div.vf-file", { hidden: true });
  /** True if all of the photo is shown, not only what the model saw. */
  isWhole = false;
  // A large photo takes 100 ms to decode, for which the answer would wait.
  #image = h("img.vf-image", { decoding: "async" });
  #shade = h("div.vf-shade", { ariaHidden: "true" });
  #seen = h("i.vf-seen");
  #canvas = h("canvas.vf-spotlight", { ariaHidden: "true", hidden: true });
  #caption = h("figcaption.vf-unseen", { hidden: true });
  #photo = null;
  #recipe = null;

  constructor() {
    this.#shade.append(this.#seen, this.#canvas);
    this.element.append(this.#image, this.#shade, createCorners(), this.#caption);
    this.#image.onerror = () => {
      if (!this.#photo) return;
      const name = h("b", { dir: "auto" }, fileName(this.#photo) || "Your photo");
      const size = h("span", formatBytes(this.#photo.size));
      this.fileLabel.replaceChildren(createIcon("file"), name, size);
      this.fileLabel.hidden = false;
    };
  }

  show(photo, { alt = "", caption = "", recipe = null } = {}) {
    this.#caption.textContent = caption;
    this.#caption.hidden = !caption;
    if (photo === this.#photo && recipe === this.#recipe) return;
    this.#recipe = recipe;
    if (photo === this.#photo) {
      if (!this.element.hidden) this.#mark();
      return;
    }
    this.hideSpotlight();
    this.isWhole = false;
    this.#photo = photo;
    URL.revokeObjectURL(this.#image.src);
    this.#image.removeAttribute("src");
    this.element.hidden = this.fileLabel.hidden = true;
    if (!photo) return;
    this.#image.alt = alt;
    this.#image.onload = () => {
      this.element.hidden = false;
      this.#mark();
    };
    this.#image.src = URL.createObjectURL(photo);
  }

  /** Show all of the photo, or what the model saw as large as the viewfinder's square. */
  toggleWhole() {
    this.isWhole = !this.isWhole;
    this.#mark();
  }

  /** Place the photo in the square, and on it the mark of what the model saw. */
  #mark() {
    const { naturalWidth: width, naturalHeight: height } = this.#image;
    if (!width) return;
    const all = { left: 0, top: 0, width, height };
    const seen = this.#recipe ? seenBox(all, this.#recipe) : all;
    const square = this.isWhole ? all : seen;
    this.element.parentElement?.style.setProperty("--aspect", `${square.width / square.height}`);
    this.#setBox("photo", all, square);
    this.#setBox("seen", seen, all);
    // Within half a pixel of rounding.
    const isAll = seen.width > width - 1 && seen.height > height - 1;
    this.element.toggleAttribute("data-all-seen", isAll);
  }

  #setBox(name, box, outer) {
    const set = (side, share) =>
      this.element.style.setProperty(`--${name}-${side}`, `${share * 100}%`);
    set("left", (box.left - outer.left) / outer.width);
    set("top", (box.top - outer.top) / outer.height);
    set("width", box.width / outer.width);
    set("height", box.height / outer.height);
  }

  /** Darken what mattered little; `heat` is from 0 to 1, row by row over what the model saw. */
  showSpotlight({ rows, columns, heat }) {
    Object.assign(this.#canvas, { width: columns, height: rows, hidden: false });
    const light = new ImageData(columns, rows);
    heat.forEach((value, place) => {
      light.data[place * 4 + 3] = Math.round((1 - value) * DARKEST * 255);
    });
    this.#canvas.getContext("2d").putImageData(light, 0, 0);
  }

  hideSpotlight() {
    this.#canvas.hidden = true;
  }

  get hasSpotlight() {
    return !this.#canvas.hidden;
  }

  release() {
    URL.revokeObjectURL(this.#image.src);
  }
}

/**
 * Light up what an answer depends on, or take the light away.
 *
 * @type {(entry: Entry, identifier: Identifier, photo: PhotoView, change: (changes: object) =>
 *   void, given: {permission: Permission, signal: AbortSignal}) => Promise<void>}
 */
export async function explain(entry, identifier, photo, change, given) {
  if (photo.hasSpotlight) {
    photo.hideSpotlight();
    change({ explanation: null });
    return;
  }
  const progress = entry.answer.where === "server" ? SERVER_COVERING : `${COVERING}…`;
  change({ isExplaining: true, message: "", explanation: [progress] });
  const onProgress = (done, most) =>
    change({ explanation: [`${COVERING}: ${done} of at most ${most}.`] });
  const changes = { isExplaining: false, explanation: null };
  try {
    const map = await identifier.explain(entry.photo, entry.answer, { ...given, onProgress });
    if (given.signal.aborted) return;
    const [{ label }] = entry.answer.prediction.candidates;
    // The model may have another version by now.
    if (map.label !== label) return change({ ...changes, message: OTHER_ANSWER });
    photo.showSpotlight(map);
    changes.explanation = [
      "Light parts decided it: cover them and the model is less sure of ",
      { label },
      ". This shows where it looked, not whether it is right.",
    ];
  } catch ({ code }) {
    Object.assign(changes, { message: REPLACED.has(code) ? OTHER_MODEL : NO_EXPLANATION });
  }
  change(changes);
}
