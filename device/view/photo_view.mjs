/**
 * The photo of an answer, with the corners of what the model saw and the spotlight of "Why?".
 */

import { seenBox } from "./crop.mjs";
import { createElement } from "./elements.mjs";

/** How much of the photo is left where covering it changed nothing. */
const DARKEST = 0.8;

/** Return the four corners of a frame. */
export function createCorners() {
  const corners = Array.from({ length: 4 }, () => createElement("i", { className: "vf-corner" }));
  return createElement("div", { className: "vf-corners", ariaHidden: "true" }, ...corners);
}

export class PhotoView {
  element = createElement("figure", { className: "vf-photo", hidden: true });
  // A large photo takes 100 ms to decode, for which the answer would wait.
  #image = createElement("img", { className: "vf-image", decoding: "async" });
  #shade = createElement("div", { className: "vf-shade", ariaHidden: "true" });
  #seen = createElement("i", { className: "vf-seen" });
  #canvas = createElement("canvas", {
    className: "vf-spotlight",
    ariaHidden: "true",
    hidden: true,
  });
  #corners = createCorners();
  #caption = createElement("figcaption", { className: "vf-caption", hidden: true });
  #photo = null;
  #recipe = null;

  constructor() {
    this.#shade.append(this.#seen, this.#canvas);
    this.element.append(this.#image, this.#shade, this.#corners, this.#caption);
    this.#image.onerror = () => {
      // The server may read formats that this browser doesn't.
      this.element.hidden = true;
    };
  }

  /**
   * Show a photo, or none.
   *
   * @param {Blob | null} photo
   * @param {{alt?: string, caption?: string, recipe?: object | null}} [about]
   */
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
    this.#photo = photo;
    URL.revokeObjectURL(this.#image.src);
    this.#image.removeAttribute("src");
    this.element.hidden = true;
    if (!photo) return;
    this.#image.alt = alt;
    this.#image.onload = () => {
      this.element.hidden = false;
      this.#mark();
    };
    this.#image.src = URL.createObjectURL(photo);
  }

  /** Mark what the model saw. */
  #mark() {
    const recipe = this.#recipe;
    const { naturalWidth: width, naturalHeight: height } = this.#image;
    const { style } = this.element;
    style.setProperty("--photo-aspect", String(width / height));
    const seen = recipe ? seenBox({ width, height }, recipe) : { left: 0, top: 0, width, height };
    const percent = (value, whole) => `${(value / whole) * 100}%`;
    style.setProperty("--seen-left", percent(seen.left, width));
    style.setProperty("--seen-top", percent(seen.top, height));
    style.setProperty("--seen-width", percent(seen.width, width));
    style.setProperty("--seen-height", percent(seen.height, height));
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
