/**
 * The elements of the viewfinder. The attributes `data-screen` and `data-layout` of the root decide
 * which of them are shown, and where.
 */

import { createButton, createIcon, h, linkStyles } from "./elements.mjs";
import { createCorners, PhotoView } from "./photo_view.mjs";

/** The style sheets of the viewfinder; see `linkStyles`. */
export const STYLES = ["tokens", "viewfinder", "answer", "layouts", "dialog", "ask"];

/** Least width of the layout with the answer at the picture's side, in the page's rem. */
const DESK_REM = 56.25;

const MOVE_MS = 240;

/** The children of elements, in the order of the document: words, shutter, rest. */
const TREE = {
  root: "screen visit",
  screen: "picture side shutter acts ways mode torch zoom flip where keys bar",
  picture: "video stage",
  stage: "square pill",
  pill: "why whole",
  side: "words samples",
  words: "head note status alert retry explanation details spoken",
  head: "headline percent lookUp",
  acts: "correct share",
  ways: "openCamera cameraApp choose paste pick capture",
  mode: "live still",
  bar: "models",
};

/** Return the elements by name. */
export function createParts() {
  const parts = {
    root: h("div.vf", { hidden: true }),
    screen: h("div.vf-screen"),
    side: h("div.vf-side"),

    models: h("select.vf-chip", { ariaLabel: "Model" }),
    bar: h("div.vf-topbar", { hidden: true }),

    picture: h("div.vf-picture"),
    video: h("video.vf-video", { muted: true, playsInline: true, autoplay: true }),
    stage: h("div.vf-stage"),
    square: h("div.vf-square"),
    hint: h("div.vf-hint"),
    photo: new PhotoView(),
    why: createButton("vf-why", "Why?", { icon: "eye" }),
    whole: createButton("vf-whole", "Show the whole photo", { icon: "whole", isIconOnly: true }),
    pill: h("div.vf-pill"),

    words: h("section.vf-words", { ariaLabel: "Answer" }),
    head: h("div.vf-head"),
    headline: h("h2.vf-headline"),
    percent: h("b.vf-percent"),
    lookUp: createButton("vf-icon-button", "Look it up", { icon: "book", isIconOnly: true }),
    note: h("p.vf-sub"),
    status: h("p.vf-sub"),
    alert: h("p.vf-alert", { role: "alert" }),
    retry: createButton("vf-button", "Try again"),
    tryCamera: createButton("vf-text-button", "Try the camera again"),
    explanation: h("p.vf-sub"),
    details: h("div.vf-details"),
    spoken: h("p.vf-unseen", { ariaLive: "polite" }),

    shutter: h("button.vf-shutter", { type: "button" }),
    live: createButton("vf-segment", "Live"),
    still: createButton("vf-segment", "Photo"),
    mode: h("div.vf-mode", { role: "group", ariaLabel: "Mode" }),
    torch: ringButton("vf-ring.vf-torch", "Torch", "torch"),
    zoom: h("button.vf-icon-button.vf-ring.vf-zoom", { type: "button" }),
    flip: ringButton("vf-flip", "Other camera", "flip"),

    openCamera: createButton("vf-button.vf-main", "Open the camera", { icon: "camera" }),
    cameraApp: createButton("vf-button.vf-main", "Take a photo", { icon: "camera" }),
    choose: createButton("vf-button.vf-choose", "Choose one", { icon: "gallery" }),
    paste: createButton("vf-button.vf-paste", "Paste", { icon: "paste" }),
    ways: h("div.vf-ways"),
    // Of any type: the content decides, and not every system knows HEIC or AVIF.
    pick: h("input", { type: "file", hidden: true }),
    capture: h("input", { type: "file", accept: "image/*", hidden: true }),

    correct: createButton("vf-act.vf-correct", "Wrong?", { icon: "pen" }),
    share: createButton("vf-act.vf-share", "Share", { icon: "share" }),
    acts: h("div.vf-acts"),

    where: h("button.vf-where", { type: "button" }),
    keys: h("p.vf-keys", h("kbd", "Space"), " or drop one anywhere"),
    samples: h("div.vf-samples", { hidden: true }),
    visit: h("div.vf-visit", { hidden: true }),
  };
  for (const [parent, children] of Object.entries(TREE)) {
    parts[parent].append(...children.split(" ").map((name) => parts[name]));
  }
  parts.video.ariaHidden = "true";
  parts.capture.setAttribute("capture", "environment");
  parts.bar.append(createIcon("down"));
  const { element, fileLabel } = parts.photo;
  parts.square.append(parts.hint, element, createCorners(), fileLabel);
  return parts;
}

/**
 * Let the controls act until `signal` is aborted.
 *
 * @param {ReturnType<typeof createParts>} parts
 * @param {import("./live_picture.mjs").LivePicture} picture
 * @param {object} handlers of the viewfinder
 * @param {AbortSignal} signal
 */
export function connectControls({ root, ...parts }, picture, handlers, signal) {
  parts.shutter.onclick = handlers.onPress;
  parts.picture.onclick = ({ target }) => {
    const element = /** @type {Element} */ (target);
    if (!element.closest("button")) handlers.onPicture(parts.square.contains(element));
  };
  parts.whole.onclick = handlers.onWhole;
  parts.why.onclick = handlers.onWhy;
  parts.where.onclick = handlers.onWhere;
  parts.retry.onclick = handlers.onRetry;
  parts.models.onchange = () => handlers.onModel(parts.models.value);
  parts.openCamera.onclick = parts.tryCamera.onclick = () => picture.open();
  parts.flip.onclick = () => picture.camera.flip();
  parts.torch.onclick = () => picture.camera.toggleTorch();
  parts.zoom.onclick = () => picture.camera.cycleZoom();
  parts.live.onclick = () => handlers.onLive(true);
  parts.still.onclick = () => handlers.onLive(false);
  for (const name of ["correct", "share", "lookUp"]) {
    parts[name].onclick = () => handlers.onAction(name);
  }
  for (const name of ["pointerdown", "keydown"]) {
    root.addEventListener(name, () => picture.resetIdle(), { signal });
  }
}

function ringButton(classes, text, icon) {
  return createButton(`vf-icon-button.${classes}`, text, { icon, isIconOnly: true });
}

/**
 * Return a place in Streamlit's header. It is outside Streamlit's elements, which are dimmed and
 * below the header while a script runs.
 *
 * @param {number} logo width of the logo in pixels
 */
export function createHeader(logo) {
  const place = h("section.vf-header", { ariaLabel: "Model", hidden: true });
  place.style.setProperty("--logo", `${logo / 16}rem`);
  const host = h("div");
  host.attachShadow({ mode: "open" }).append(place);
  linkStyles(place, ["tokens", "viewfinder", "../header"]).then(() => (place.hidden = false));
  document.body.prepend(host);
  return place;
}

/**
 * Choose the layout by the available space; return a function that stops.
 *
 * @param {ReturnType<typeof createParts>} parts
 * @param {() => void} onchange
 * @param {Element | null} header see `ViewfinderOptions`
 */
export function followSize(parts, onchange, header) {
  const { acts, bar, root, screen, side, visit } = parts;
  header?.append(bar);
  const arrange = () => {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const isDesk = root.clientWidth >= DESK_REM * rem;
    const isSideways = !isDesk && innerHeight < 500 && innerWidth > innerHeight;
    const layout = isDesk ? "desk" : isSideways ? "sideways" : "phone";
    if (root.dataset.layout !== layout) {
      root.dataset.layout = layout;
      (isDesk ? side : root).append(visit);
      (isDesk ? parts.words : parts.shutter).after(acts);
      if (!header && isDesk) side.prepend(bar);
      else if (!header) screen.append(bar);
    }
    onchange();
  };
  const observer = new ResizeObserver(arrange);
  for (const element of [root, parts.picture, parts.square]) observer.observe(element);
  parts.video.addEventListener("resize", onchange);
  return () => observer.disconnect();
}

/** Note an element's place; return a function that animates its move from there. */
export function followMove(element) {
  const before = element.getBoundingClientRect();
  return () => {
    const shift = before.top - element.getBoundingClientRect().top;
    if (!before.height || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const frames = [{ translate: `0 ${shift}px` }, { translate: "none" }];
    element.animate(frames, { duration: MOVE_MS, easing: "cubic-bezier(.2, 0, 0, 1)" });
  };
}

/**
 * Follow the theme that `getTheme` returns, or the system's where that is null.
 *
 * @param {HTMLElement} root
 * @param {{getTheme?: () => string | null, signal?: AbortSignal}} [options]
 * @returns {() => void} applies the theme again, after `getTheme` has changed
 */
export function followTheme(root, { getTheme = () => null, signal } = {}) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    root.dataset.theme = getTheme() ?? (system.matches ? "dark" : "light");
  };
  system.addEventListener("change", apply, { signal });
  apply();
  return apply;
}
