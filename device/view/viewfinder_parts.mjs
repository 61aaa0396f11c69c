/**
 * The elements of the viewfinder. The attributes `data-screen` and `data-layout` of the root decide
 * which of them are shown, and where.
 */

import {
  createButton,
  createIcon,
  createIconButton,
  h,
  letKeysScroll,
  linkStyles,
} from "./elements.mjs";
import { createCorners, PhotoView } from "./photo_view.mjs";

export const STYLES = ["tokens", "viewfinder", "answer", "layouts", "landing", "dialog", "ask"];

/** Least width of the layout with the answer at the picture's side, in the page's rem. */
const DESK_REM = 56.25;

/** The children of elements, in the order of the document: words, shutter, rest. */
const TREE = {
  root: "screen landing visit",
  screen: "picture notice side shutter acts ways mode torch zoom flip where keys bar",
  picture: "video stage",
  stage: "square pill",
  pill: "why lookUp whole",
  side: "words correction samples drop",
  drop: "dropHere letGo",
  words: "saved head note status alert retry other explanation details spoken",
  head: "headline percent",
  acts: "right correct share",
  ways: "openCamera cameraApp choose paste pick capture",
  mode: "live still",
  bar: "models forget",
};

/** Return the elements by name. @param {object} on the viewfinder's handlers */
export function createParts(on) {
  const onModel = ({ target }) => on.onModel(target.value);
  const act = (name) => () => on.onAction(name);
  const change = (name) => () => on.onCamera(name);
  const parts = {
    root: h("div.vf", { hidden: true, onpointerdown: on.onUse, onkeydown: on.onUse }),
    screen: h("div.vf-screen"),
    landing: h("section.vf-landing", { ariaLabel: "Shared answer" }),
    side: h("div.vf-side"),

    models: h("select.vf-chip", { ariaLabel: "Model", onchange: onModel }),
    forget: createIconButton("vf-icon-button.vf-forget", "Delete this model", "trash", on.onDelete),
    bar: h("div.vf-topbar", { hidden: true }),
    notice: h("p.vf-notice", { role: "status" }),

    picture: h("div.vf-picture", { onclick: on.onPicture }),
    video: h("video.vf-video", { muted: true, playsInline: true, autoplay: true }),
    stage: h("div.vf-stage"),
    square: h("div.vf-square"),
    hint: h("div.vf-hint"),
    photo: new PhotoView(),
    why: createButton("vf-why", "Why?", { icon: "eye", onclick: on.onWhy }),
    whole: createIconButton("vf-whole", "Show the whole photo", "whole", on.onWhole),
    pill: h("div.vf-pill"),

    words: h("section.vf-words", { ariaLabel: "Answer" }),
    saved: h("p.vf-saved", { role: "status" }),
    correction: h("section.vf-correction", { ariaLabel: "Correction", hidden: true }),
    head: h("div.vf-head"),
    headline: h("h2.vf-headline"),
    percent: h("b.vf-percent"),
    lookUp: createIconButton("vf-look-up", "Look it up", "book", act("lookUp")),
    note: h("p.vf-sub.vf-note"),
    status: h("p.vf-sub"),
    alert: h("p.vf-alert", { role: "alert" }),
    retry: createButton("vf-button.vf-main", "Try again", { onclick: on.onRetry }),
    other: createButton("vf-button.vf-main", "Choose another", {
      icon: "gallery",
      onclick: () => parts.pick.click(),
    }),
    tryCamera: createButton("vf-text-button", "Try the camera again", { onclick: on.onOpenCamera }),
    explanation: h("p.vf-sub"),
    details: h("div.vf-details"),
    spoken: h("p.vf-unseen", { ariaLive: "polite" }),

    shutter: h("button.vf-shutter", { type: "button", onclick: on.onPress }),
    live: createButton("vf-segment", "Live", { onclick: () => on.onLive(true) }),
    still: createButton("vf-segment", "Photo", { onclick: () => on.onLive(false) }),
    mode: h("div.vf-mode", { role: "group", ariaLabel: "Mode" }),
    torch: createIconButton(
      "vf-icon-button.vf-ring.vf-torch",
      "Torch",
      "torch",
      change("toggleTorch"),
    ),
    zoom: createButton("vf-icon-button.vf-ring.vf-zoom", "", { onclick: change("cycleZoom") }),
    flip: createIconButton("vf-icon-button.vf-flip", "Other camera", "flip", change("flip")),

    openCamera: mainButton("Open the camera", on.onOpenCamera),
    cameraApp: mainButton("Take a photo", () => parts.capture.click()),
    choose: createButton("vf-button.vf-choose", "Choose a photo", {
      icon: "gallery",
      onclick: () => parts.pick.click(),
    }),
    paste: createButton("vf-button.vf-paste", "Paste", { icon: "paste" }),
    ways: h("div.vf-ways"),
    // Of any type: the content decides, and not every system knows HEIC or AVIF.
    pick: h("input", { type: "file", hidden: true }),
    capture: h("input", { type: "file", accept: "image/*", hidden: true }),

    right: createButton("vf-act.vf-right", "Right", { icon: "check", onclick: act("right") }),
    correct: createButton("vf-act.vf-correct", "Wrong?", { icon: "pen", onclick: act("correct") }),
    share: createButton("vf-act.vf-share", "Share", { icon: "share", onclick: act("share") }),
    acts: h("div.vf-acts"),

    where: h("button.vf-where", { type: "button", onclick: on.onWhere }),
    keys: h("p.vf-keys", h("kbd", "Space"), " or drop a photo"),
    samples: h("div.vf-samples", { hidden: true }),
    drop: h("div.vf-drop", createIcon("save")),
    dropHere: h("p", h("b", "Drop a photo here"), "or anywhere on this page"),
    letGo: h("p", h("b", "Let go: this photo is next")),
    visit: h("div.vf-visit", { hidden: true }),
  };
  for (const [parent, children] of Object.entries(TREE)) {
    parts[parent].append(...children.split(" ").map((name) => parts[name]));
  }
  parts.video.ariaHidden = "true";
  parts.capture.setAttribute("capture", "environment");
  parts.models.after(createIcon("down"));
  const { element, fileLabel } = parts.photo;
  parts.square.append(parts.hint, element, createCorners(), fileLabel);
  return parts;
}

function mainButton(text, onclick) {
  return createButton("vf-button.vf-main", text, { icon: "camera", onclick });
}

/**
 * Return a place in Streamlit's header, beside a logo of this width in pixels. It is outside
 * Streamlit's elements, which are dimmed and below the header while a script runs.
 */
export function createHeader(logo) {
  const place = h("section.vf-header", { ariaLabel: "Model", hidden: true });
  place.style.setProperty("--logo", `${logo / 16}rem`);
  const host = h("div.vf-place");
  host.attachShadow({ mode: "open" }).append(place);
  linkStyles(place, ["tokens", "viewfinder", "../header"]).then(() => (place.hidden = false));
  // Streamlit's skip link stays the first stop of the keyboard.
  document.body.append(host);
  return place;
}

/** Choose the layout by the available space, until `signal` is aborted. @param {Parts} parts */
export function followSize(parts, onchange, header, signal) {
  const { acts, bar, notice, root, screen, side, visit } = parts;
  header?.append(bar);
  const arrange = () => {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const isDesk = root.clientWidth >= DESK_REM * rem;
    const isSideways = !isDesk && innerHeight < 500 && innerWidth > innerHeight;
    const layout = isDesk ? "desk" : isSideways ? "sideways" : "phone";
    if (root.dataset.layout !== layout) {
      root.dataset.layout = layout;
      (isDesk ? side : root).append(visit);
      (isDesk ? parts.correction : parts.shutter).after(acts);
      (isDesk ? side : screen).prepend(notice);
      if (!header && isDesk) side.prepend(bar);
      else if (!header) screen.append(bar);
    }
    onchange();
  };
  const observer = new ResizeObserver(arrange);
  for (const element of [root, parts.picture, parts.square]) observer.observe(element);
  const textObserver = new ResizeObserver(() => letKeysScroll(parts.words));
  for (const text of [parts.words, ...parts.words.children]) textObserver.observe(text);
  parts.video.addEventListener("resize", onchange, { signal });
  signal.addEventListener("abort", () => {
    observer.disconnect();
    textObserver.disconnect();
  });
}

/**
 * Follow the theme that `getTheme` returns, or the system's where that is null. Return what applies
 * it again, after `getTheme` has changed.
 *
 * @param {HTMLElement} root
 * @param {{getTheme?: () => string | null, signal?: AbortSignal}} [options]
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
