/**
 * The elements of the viewfinder. The attributes `data-screen` and `data-layout` of the root decide
 * which of them are shown, and where.
 */

import { createButton, createElement, createIcon, createUnseen } from "./elements.mjs";
import { createCorners, PhotoView } from "./photo_view.mjs";

const STYLES = [
  "tokens.css",
  "viewfinder.css",
  "answer.css",
  "layouts.css",
  "dialog.css",
  "ask.css",
];
/** Least width of the layout with the answer at the picture's side, in the page's rem. */
const DESK_REM = 56.25;

/** Return the elements by name; the order in the document is words, shutter, rest. */
export function createParts() {
  const parts = {
    root: createElement("div", { className: "vf", hidden: true }),
    screen: createElement("div", { className: "vf-screen" }),
    side: createElement("div", { className: "vf-side" }),

    models: createElement("select", { className: "vf-chip", ariaLabel: "Model" }),
    bar: createElement("div", { className: "vf-topbar", hidden: true }),

    picture: createElement("div", { className: "vf-picture" }),
    video: createElement("video", {
      className: "vf-video",
      muted: true,
      playsInline: true,
      autoplay: true,
      ariaHidden: "true",
    }),
    stage: createElement("div", { className: "vf-stage" }),
    square: createElement("div", { className: "vf-square" }),
    hint: createElement("div", { className: "vf-hint" }),
    photo: new PhotoView(),
    why: createButton("vf-why", "Why?", { icon: "eye" }),
    whole: createButton("vf-whole", "Show the whole photo", { icon: "whole", isIconOnly: true }),
    pill: createElement("div", { className: "vf-pill" }),

    words: createElement("section", { className: "vf-words", ariaLabel: "Answer" }),
    headline: createElement("h2", { className: "vf-headline" }),
    percent: createElement("b", { className: "vf-percent" }),
    lookUp: createButton("vf-icon-button", "Look it up", { icon: "book", isIconOnly: true }),
    note: createElement("p", { className: "vf-sub" }),
    status: createElement("p", { className: "vf-sub" }),
    alert: createElement("p", { className: "vf-alert", role: "alert" }),
    retry: createButton("vf-button", "Try again"),
    tryCamera: createButton("vf-text-button", "Try the camera again"),
    explanation: createElement("p", { className: "vf-sub" }),
    details: createElement("div", { className: "vf-details" }),
    spoken: createUnseen("p", { ariaLive: "polite" }),

    shutter: createElement("button", { type: "button", className: "vf-shutter" }),
    live: createButton("vf-segment", "Live"),
    still: createButton("vf-segment", "Photo"),
    mode: createElement("div", { className: "vf-mode", role: "group", ariaLabel: "Mode" }),
    torch: createButton("vf-icon-button vf-ring vf-torch", "Torch", {
      icon: "torch",
      isIconOnly: true,
    }),
    zoom: createElement("button", { type: "button", className: "vf-icon-button vf-ring vf-zoom" }),
    flip: createButton("vf-icon-button vf-flip", "Other camera", {
      icon: "flip",
      isIconOnly: true,
    }),

    openCamera: createButton("vf-button vf-main", "Open the camera", { icon: "camera" }),
    cameraApp: createButton("vf-button vf-main", "Take a photo", { icon: "camera" }),
    choose: createButton("vf-button vf-choose", "Choose one", { icon: "gallery" }),
    paste: createButton("vf-button vf-paste", "Paste", { icon: "paste" }),
    ways: createElement("div", { className: "vf-ways" }),
    // Of any type: the content decides, and not every system knows HEIC or AVIF.
    pick: createElement("input", { type: "file", hidden: true }),
    capture: createElement("input", { type: "file", accept: "image/*", hidden: true }),

    correct: createButton("vf-act vf-correct", "Wrong?", { icon: "pen" }),
    share: createButton("vf-act vf-share", "Share", { icon: "share" }),
    acts: createElement("div", { className: "vf-acts" }),

    where: createElement("button", { type: "button", className: "vf-where" }),
    keys: createElement(
      "p",
      { className: "vf-keys" },
      createElement("kbd", {}, "Space"),
      " or drop one anywhere",
    ),
    samples: createElement("div", { className: "vf-samples", hidden: true }),
    visit: createElement("div", { className: "vf-visit", hidden: true }),
  };
  parts.capture.setAttribute("capture", "environment");
  assemble(parts);
  return parts;
}

function assemble(parts) {
  const { root, screen, side, words } = parts;
  parts.bar.append(parts.models, createIcon("down"));
  parts.square.append(parts.hint, parts.photo.element, createCorners());
  parts.pill.append(parts.why, parts.whole);
  parts.stage.append(parts.square, parts.pill);
  parts.picture.append(parts.video, parts.stage);
  const head = createElement(
    "div",
    { className: "vf-head" },
    parts.headline,
    parts.percent,
    parts.lookUp,
  );
  words.append(
    head,
    parts.note,
    parts.status,
    parts.alert,
    parts.retry,
    parts.explanation,
    parts.details,
    parts.spoken,
  );
  parts.mode.append(parts.live, parts.still);
  parts.acts.append(parts.correct, parts.share);
  parts.ways.append(
    parts.openCamera,
    parts.cameraApp,
    parts.choose,
    parts.paste,
    parts.pick,
    parts.capture,
  );
  side.append(words, parts.samples);
  screen.append(
    parts.picture,
    side,
    parts.shutter,
    parts.acts,
    parts.ways,
    parts.mode,
    parts.torch,
    parts.zoom,
    parts.flip,
    parts.where,
    parts.keys,
    parts.bar,
  );
  root.append(screen, parts.visit);
}

/** Link the style sheets; the promise is fulfilled once they have loaded or failed. */
export function linkStyles(root, names = STYLES) {
  const links = names.map((name) => {
    const href = new URL(name, import.meta.url).href;
    return createElement("link", { rel: "stylesheet", href });
  });
  root.prepend(...links);
  return Promise.all(
    links.map(
      (link) =>
        new Promise((resolve) => {
          link.onload = link.onerror = resolve;
        }),
    ),
  );
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
      if (isDesk) parts.words.after(acts);
      else parts.shutter.after(acts);
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
