/**
 * Questions in place of the words, before a photo leaves the device. Nothing is sent meanwhile, and
 * Esc means that nothing will be.
 */

import { waitFor } from "../engine/abort.mjs";
import { createButton, createElement, createIcon } from "./elements.mjs";
import { formatBytes, partOf } from "./where.mjs";

/** Share of its bytes that a photo's packed pixels take. */
const PACKED = 0.5;

/** Formats by suffix, for files that no browser or few can read. */
const FORMATS = { heic: "HEIC", heif: "HEIC", tif: "TIFF", tiff: "TIFF", avif: "AVIF" };

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} line
 * @property {{name: string, icon: string, title: string, line: string}[]} ways
 * @property {string} [keep] the button below that leaves all as it is
 * @property {string} [sent] what has been sent so far
 */

/**
 * Ask; return the name of the chosen way, or null for none.
 *
 * @param {{root: Element, words: Element}} parts of the viewfinder
 * @param {Question} question
 * @param {AbortSignal} signal takes the question away
 * @returns {Promise<string | null>}
 */
export async function ask({ root, words }, { title, line, ways, keep, sent }, signal) {
  const heading = createElement(
    "h2",
    { className: "vf-headline", id: "vf-ask", tabIndex: -1 },
    title,
  );
  const panel = createElement(
    "section",
    { className: "vf-ask" },
    heading,
    createElement("p", {}, line),
  );
  panel.setAttribute("aria-labelledby", heading.id);
  const document = root.ownerDocument;
  const former = /** @type {ShadowRoot | Document} */ (root.getRootNode()).activeElement;
  let cancel;
  const onKey = (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    cancel();
  };
  // Before the viewfinder's own keys.
  document.addEventListener("keydown", onKey, { capture: true });
  try {
    return await waitFor((resolve) => {
      cancel = () => resolve(null);
      const buttons = ways.map((way) => {
        const text = createElement(
          "span",
          {},
          createElement("b", {}, way.title),
          createElement("span", { className: "vf-small" }, way.line),
        );
        const button = createElement(
          "button",
          { type: "button", className: "vf-ask-way" },
          createIcon(way.icon),
          text,
        );
        button.onclick = () => resolve(way.name);
        return button;
      });
      const end = createElement(
        "div",
        { className: "vf-ask-end" },
        createElement("p", { className: "vf-small" }, "Your choice holds for this visit."),
      );
      if (sent) {
        end.append(createElement("p", { className: "vf-small" }, createIcon("phone"), sent));
      }
      if (keep) end.append(createButton("vf-button", keep, { onclick: () => resolve(null) }));
      panel.append(createElement("div", {}, ...buttons), end);
      words.after(panel);
      root.toggleAttribute("data-asking", true);
      heading.focus({ preventScroll: true });
      return () => {};
    }, signal);
  } finally {
    document.removeEventListener("keydown", onKey, { capture: true });
    panel.remove();
    const isReplaced = root.querySelector(".vf-ask") !== null;
    root.toggleAttribute("data-asking", isReplaced);
    if (former instanceof HTMLElement && !isReplaced) former.focus({ preventScroll: true });
  }
}

/**
 * Return the question whether a file may be sent that this browser can't read.
 *
 * @param {Blob} file
 * @param {{code: string}} error of the attempt
 * @returns {Question}
 */
export function fileQuestion(file, { code }) {
  const format = formatOf(file);
  const kind = format ? `this kind of file (${format})` : "this file";
  return {
    title: "Send this photo to the server?",
    line:
      code === "engine-unavailable"
        ? "The model stopped on this device."
        : `This browser can’t read ${kind}.`,
    ways: [
      {
        name: "send",
        icon: "up",
        title: "Send the file",
        line: "With the place and time your phone wrote into it. The server drops both.",
      },
      { name: "keep", icon: "close", title: "Don’t send it", line: "Choose another photo" },
    ],
    sent: "Nothing has been sent",
  };
}

/**
 * Return the question where another model is to look at the photo that is shown.
 *
 * @param {object} model
 * @param {string} model.title
 * @param {number | null} model.bytes of its download; null if that isn't known
 * @param {import("../types").Recipe | null} model.recipe
 * @param {import("./types").IdentifierState} state
 * @param {Blob} photo
 * @param {boolean} hasServer whether the server is a way
 * @returns {Question}
 */
export function modelQuestion({ title, bytes, recipe }, state, photo, hasServer) {
  const fetched = bytes ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : "the model";
  const ways = [
    {
      name: "device",
      icon: "phone",
      title: "On this device",
      line: `Fetches ${fetched} first. The photo stays here.`,
    },
    serverWay(photo, recipe, state),
  ];
  return {
    title: "Where should this model run?",
    line: `“${title}” isn’t on this device yet.`,
    ways: hasServer ? ways : ways.slice(0, 1),
    keep: "Keep the first answer",
  };
}

/**
 * Return the question whether a photo may be sent where the page last said that it stays.
 *
 * @param {Blob} photo
 * @param {import("../types").Recipe | null} recipe
 * @param {import("./types").IdentifierState} state
 * @returns {Question}
 */
export function photoQuestion(photo, recipe, state) {
  return {
    title: "Send this photo to the server?",
    line: "The model isn’t running on this device.",
    ways: [
      serverWay(photo, recipe, state),
      { name: "keep", icon: "close", title: "Don’t send it", line: "Back to the camera" },
    ],
    sent: "Nothing has been sent",
  };
}

function serverWay(photo, recipe, state) {
  const bytes = state.sends === "pixels" ? pixelBytes(recipe) : 0;
  const about = bytes ? `, about ${formatBytes(bytes)}` : "";
  const amount = state.sends === "file" ? `, ${formatBytes(photo.size)}` : about;
  return {
    name: "server",
    icon: "server",
    title: "On the server",
    line: `Sends ${partOf(state, recipe)}${amount}.`,
  };
}

/** Return about how many bytes a photo's pixels take, to one digit. */
function pixelBytes(recipe) {
  if (!recipe) return 0;
  const [height, width] = recipe.crop ?? recipe.resize;
  return Number((height * width * 3 * PACKED).toPrecision(1));
}

/** Return the name of a format that no browser or few can read, by the file's suffix; or "". */
export const formatOf = (file) => FORMATS[nameOf(file).toLowerCase().split(".").at(-1)] ?? "";

/** Return a file's name; photos of the camera and of the clipboard have none. */
const nameOf = (file) => (file instanceof File ? file.name : "");

/**
 * Show name and size in the square in place of a file that this browser can't draw.
 *
 * @param {Element} square
 * @param {() => Blob | null | undefined} getPhoto
 * @returns {() => void} follows another photo
 */
export function labelFiles(square, getPhoto) {
  const undrawable = new WeakSet();
  const name = createElement("b", { dir: "auto" });
  const size = createElement("span");
  const label = createElement("div", { className: "vf-file", hidden: true });
  label.append(createIcon("file"), name, size);
  square.append(label);
  const show = () => {
    const photo = getPhoto();
    label.hidden = !photo || !undrawable.has(photo);
    if (label.hidden) return;
    name.textContent = nameOf(photo) || "Your photo";
    size.textContent = formatBytes(photo.size);
  };
  const note = () => {
    const photo = getPhoto();
    if (photo) undrawable.add(photo);
    show();
  };
  // Events of images don't bubble.
  square.addEventListener("error", note, { capture: true });
  return show;
}
