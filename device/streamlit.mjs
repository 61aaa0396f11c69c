/**
 * The viewfinder as a Streamlit component. Each element keeps its view over reruns of the script,
 * so the camera stays open. When a document opens, the viewfinder is shown before Streamlit loads,
 * and is later moved into the component.
 */

import { openLookUp, openShare } from "./view/ask.mjs";
import { h, linkStyles } from "./view/elements.mjs";
import { createComponent, followConnection, themeOf } from "./view/streamlit_component.mjs";
import { mountViewfinder } from "./view/viewfinder.mjs";
import { createHeader } from "./view/viewfinder_parts.mjs";
import { openVisit } from "./visit/open_visit.mjs";
import { tokenOf } from "./visit/visit.mjs";

const HEADER = "3.75rem";

/** Selectors of the answer's chart, and of the link to the plain page. */
const CHART = ".st-key-chart";
const PLAIN = ".st-key-plain";

/** True once Streamlit's module for charts was lost: an error stands in place of each chart. */
let isChartLost = false;
addEventListener("vite:preloadError", (/** @type {any} */ { payload }) => {
  if (!payload.message.includes("ArrowVegaLiteChart")) return;
  isChartLost = true;
  show(CHART, false, true);
});

/** Longest time for which the model's files wait for Streamlit to load, in milliseconds. */
const ALONE_MS = 15_000;

/** The early viewfinder, until it is moved into a component; or null. */
let early = null;

/** The component. Its `data` comes from `page_data` in `ui/viewfinder.py`. */
export default createComponent((parent, data) =>
  early ? takeIn(parent) : new Screen(parent, data),
);

/** Show the viewfinder over the page until Streamlit has loaded. */
export function showEarly(data) {
  const host = h("div.vf-host");
  const place = h("div", { id: "early" }, host);
  place.dataset.theme = themeOf(host);
  document.body.append(place);
  try {
    const screen = new Screen(host.attachShadow({ mode: "open" }), data, place);
    early = { screen, host, place };
    setTimeout(() => early?.screen.update({ ...data, isEarly: false }), ALONE_MS);
    whenLeft(() => early?.screen.close());
  } catch (error) {
    // Uncover Streamlit's page, which may still work.
    place.remove();
    throw error;
  }
}

/** Call `onleave` when Streamlit shows another page, for which it dispatches no event. */
function whenLeft(onleave) {
  const path = location.pathname;
  const observer = new MutationObserver(() => {
    if (early && location.pathname === path) return;
    observer.disconnect();
    onleave();
  });
  observer.observe(document.body, { childList: true, subtree: true });
}

function takeIn(parent) {
  const { screen, host, place } = early;
  early = null;
  screen.join();
  // Chromium 156 doesn't lay out elements moved by `ShadowRoot.moveBefore`, so move into a div.
  const target = /** @type {any} */ (h("div"));
  parent.append(target);
  const move = () => {
    const focused = /** @type {HTMLElement} */ (host.shadowRoot.activeElement);
    if ("moveBefore" in target) target.moveBefore(host, null);
    else target.append(host);
    focused?.focus({ preventScroll: true });
    target.closest("[data-testid=stMain]")?.scrollTo(0, place.scrollTop);
    place.remove();
    dispatchEvent(new Event("placed"));
  };
  const dialog = host.shadowRoot.querySelector("dialog[open]");
  // Without `moveBefore`, an open dialog would no longer be modal, so wait until it closes.
  if (dialog && !("moveBefore" in target)) dialog.addEventListener("close", move, { once: true });
  else move();
  return screen;
}

class Screen {
  #parent;
  #visit;
  #view;
  #header;
  #stopFollowing = () => {};
  /** The element that covers the page before the move, or null. */
  #place;
  /** The token of the answer whose chart the page has drawn, or null. */
  #drawn = null;

  constructor(parent, data, place = null) {
    this.#parent = parent;
    linkStyles(parent, ["../streamlit"]);
    this.#header = createHeader(data.logo);
    this.#visit = openVisit(hostOf(data));
    this.#view = mountViewfinder(parent, this.#visit, this.#options(data));
    this.#place = place;
    this.#followConnection();
  }

  join() {
    this.#visit.address.rejoin();
    this.#followConnection();
  }

  #followConnection() {
    this.#stopFollowing();
    this.#stopFollowing = followConnection((...now) => this.#visit.setConnected(...now));
  }

  update(data) {
    this.#drawn = data.chart;
    this.#visit.update(hostOf(data));
    this.#view.update(this.#options(data));
  }

  close() {
    early = null;
    this.#place?.remove();
    this.#stopFollowing();
    this.#view.unmount();
    /** @type {ShadowRoot} */ (this.#header.getRootNode()).host.remove();
  }

  #options({ base, corrections, lookUp, rows, words }) {
    const theme = themeOf(this.#parent.host);
    this.#header.dataset.theme = theme;
    return {
      ...{ rows, theme, words, above: HEADER, header: this.#header, teach: `${base}teach` },
      about: `${base}models`,
      onDraw: () => this.#adaptPage(),
      actions: {
        right: corrections,
        correct: corrections,
        share: (entry) => openShare(this.#parent, entry),
        lookUp: (entry) => openLookUp(this.#parent, entry, lookUp),
      },
    };
  }

  /** Show the chart only beside its own answer, and not to strangers. */
  #adaptPage() {
    const { state } = this.#visit;
    const isOwn = tokenOf(state) === this.#drawn;
    show(CHART, isOwn, isChartLost || Boolean(state.entry?.said));
    show(PLAIN, false);
  }
}

/** Show or hide a part of Streamlit's page; while hidden, it keeps its space, unless it is gone. */
function show(selector, isShown, isGone = false) {
  const part = /** @type {HTMLElement | null} */ (document.querySelector(selector));
  if (!part) return;
  part.style.visibility = isShown ? "" : "hidden";
  part.style.display = isGone ? "none" : "";
}

function hostOf(data) {
  const { api, base, engine, isEarly, limits, model, models, recent, run, session, top } = data;
  const server = { url: `${base}api/v1/`, token: session };
  return {
    ...{ api, engine, isEarly, limits, model, models, recent, run, server, top },
    ...{ prefix: base, folder: `${base}device/`, hasLinks: true },
  };
}
