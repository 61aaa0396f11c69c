/** The elements of "Teach". */

import { createButton, createIcon, h } from "./elements.mjs";
import { createCorners } from "./photo_view.mjs";

/** Thumbnails in a label's row, on a phone and on a desk. */
const THUMBS = { phone: 3, desk: 6 };
/** Photos at the end of the ruler, whose tick is in its middle. */
const RULER = 20;

/** The children of elements. */
const TREE = {
  root: "main page status",
  main: "picture middle deck",
  picture: "video stage topbar pill",
  topbar: "back chip flip",
  square: "hint",
  hint: "hintText openCamera capturePhoto",
  middle: "labels form tools enough finish",
  form: "ask askLine field askNote",
  tools: "addLabel drop",
  enough: "title line odd acts next room note",
  note: "noteText undo",
  deck: "left shutter right where clear",
  finish: "use saveFile saveProject putInApp",
};

/** Return the elements by name; `on` has the handlers. */
export function createTeachParts(on) {
  const button = (classes, text, icon, onclick, isIconOnly = false) =>
    createButton(classes, text, { icon, onclick, isIconOnly });
  const pill = "vf-button.tv-slim";
  const parts = {
    root: h("div.vf.tv", { hidden: true, onpointerdown: on.onTouch, onkeydown: on.onTouch }),
    main: h("div.tv-main"),
    page: h("div.tv-page"),

    picture: h("div.tv-picture"),
    video: h("video.vf-video", { muted: true, playsInline: true, autoplay: true }),
    stage: h("div.vf-stage"),
    square: h("div.vf-square", { onclick: on.onSquare }),
    hint: h("div.tv-hint"),
    hintText: h("p"),
    openCamera: button("vf-button.tv-slim", "Open the camera", "camera", on.onOpenCamera),
    capturePhoto: button(pill, "Take a photo", "camera", () => parts.capture.click()),
    topbar: h("div.tv-topbar"),
    back: h("a.vf-icon-button", { ariaLabel: "Back to Identify" }, createIcon("back")),
    chip: h("button.vf-chip.tv-chip", { type: "button", onclick: on.onMenu }),
    flip: button("vf-icon-button", "Other camera", "flip", on.onFlip, true),
    pill: h("p.tv-pill", { hidden: true }),

    middle: h("div.tv-middle"),
    labels: h("ul.tv-labels", { ariaLabel: "Labels" }),
    form: h("form.tv-form", { onsubmit: on.onName, onkeydown: on.onFieldKey }),
    ask: h("h2.tv-title", "What is this?"),
    askLine: h("p.vf-sub"),
    field: h("input.tv-field", { type: "text", autocapitalize: "none", autocomplete: "off" }),
    askNote: h("p.vf-small"),
    tools: h("div.tv-tools"),
    addLabel: button(pill, "New label", "more", on.onNewLabel),
    drop: h("p.vf-small", "or drop folders anywhere: a folder’s name is its label"),
    enough: h("section.tv-enough", { ariaLabel: "Is it enough?" }),
    title: h("h2.tv-title"),
    line: h("p.vf-sub"),
    odd: h("ul.tv-odd"),
    acts: h("div.tv-acts"),
    next: h("p.vf-sub"),
    room: button("vf-text-button.tv-link", "Save the project", "box", on.onSaveProject),
    note: h("div.tv-note"),
    noteText: h("p.vf-small"),
    undo: button(pill, "Undo", "back", on.onUndo),

    deck: h("div.tv-deck"),
    left: h("button.vf-act", { type: "button" }),
    right: h("button.vf-act", { type: "button" }),
    shutter: h("button.vf-shutter.tv-shutter", { type: "button", onclick: on.onShutter }),
    where: h("button.vf-where", { type: "button", onclick: on.onMenu }),
    clear: createButton("vf-text-button.tv-clear", "Clear all", { onclick: on.onClear }),
    finish: h("div.tv-finish"),
    use: button(pill, "Use it", "check", on.onDone),
    saveFile: button(pill, "Save file", "save", on.onSaveFile),
    saveProject: button(pill, "Save project", "box", on.onSaveProject),
    putInApp: button(pill, "Put it in my app", "code", on.onPutInApp),

    status: h("p.vf-unseen", { role: "status" }),
    // Of any type: the content decides.
    pick: h("input", { type: "file", multiple: true, hidden: true }),
    capture: h("input", { type: "file", accept: "image/*", hidden: true }),
    open: h("input", { type: "file", accept: ".loupe,.zip", hidden: true }),
    /** Live answers are read aloud from here. */
    spoken: h("p.vf-unseen", { ariaLive: "polite" }),
  };
  for (const [parent, children] of Object.entries(TREE)) {
    parts[parent].append(...children.split(" ").map((name) => parts[name]));
  }
  parts.video.ariaHidden = "true";
  parts.capture.setAttribute("capture", "environment");
  parts.stage.append(parts.square);
  parts.square.append(createCorners());
  parts.root.append(parts.pick, parts.capture, parts.open, parts.spoken);
  return parts;
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

/** A label's row: it is chosen by one button, and its photos are opened by the other. */
export class LabelRow {
  element;
  #parts;

  constructor(label, { onLabel, onPhotos }) {
    const [ruler, number, recordings] = [h("span.tv-ruler", h("i")), h("b.tv-count"), h("small")];
    ruler.ariaHidden = "true";
    const choose = h("button.tv-choose", { type: "button", onclick: () => onLabel(label) });
    choose.append(h("b", capitalized(label)), ruler, recordings);
    const open = h("button.tv-open", { type: "button", onclick: () => onPhotos(label) });
    const stack = h("span.tv-stack");
    const dots = h("span.tv-dots", createIcon("dots"));
    open.append(stack, number, dots);
    this.element = h("li.tv-label", choose, open);
    this.#parts = { ruler, number, recordings, choose, open, stack, label };
  }

  update({ photos, recordings, isCurrent, isDim, isDesk, urls, few }) {
    const { choose, label, number, open, recordings: text, ruler, stack } = this.#parts;
    const { length } = photos;
    this.element.toggleAttribute("data-dim", isDim);
    this.element.toggleAttribute("data-few", length < few);
    choose.setAttribute("aria-current", String(isCurrent));
    ruler.style.setProperty("--value", `${Math.min(100, (length / RULER) * 100)}%`);
    number.textContent = String(length);
    text.textContent = `${recordings} recording${recordings === 1 ? "" : "s"}`;
    open.setAttribute("aria-label", `Photos of ${label}: ${length}`);
    const shown = photos.slice(-THUMBS[isDesk ? "desk" : "phone"]).reverse();
    const key = shown.map(({ id }) => id).join();
    if (stack.dataset.key === key) return;
    stack.dataset.key = key;
    stack.replaceChildren(...shown.map((photo) => h("img", { alt: "", src: urls.of(photo) })));
  }
}
