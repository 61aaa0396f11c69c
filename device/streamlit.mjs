/**
 * The viewfinder as a component of Streamlit: the visit of this document, in a place on the page. The
 * same element keeps the same view, and so the same camera. On a first page, the viewfinder is there
 * before Streamlit, whose component then takes it in.
 */

import { openCorrection, openLookUp, openShare } from "./view/actions.mjs";
import { h, linkStyles } from "./view/elements.mjs";
import { createComponent, followConnection, themeOf } from "./view/streamlit_component.mjs";
import { mountViewfinder } from "./view/viewfinder.mjs";
import { createHeader } from "./view/viewfinder_parts.mjs";
import { openVisit } from "./visit/open_visit.mjs";
import { tokenOf } from "./visit/visit.mjs";

/** Height of Streamlit's header. */
const HEADER = "3.75rem";

/** The classes of the chart of the answer in the address, and of the way without this component. */
const CHART = ".st-key-chart";
const PLAIN = ".st-key-plain";

/** What Chromium says of a script that it couldn't fetch, and then never fetches again. */
const LOST = "dynamically imported module";

/** Time after which the model's files are fetched though Streamlit hasn't come, in milliseconds. */
const ALONE_MS = 15_000;

/**
 * The viewfinder that no component has taken in yet.
 *
 * @type {{screen: Screen, host: HTMLElement, place: HTMLElement} | null}
 */
let early = null;

/** Show the viewfinder; for `data` see `page_data` in `ui/page_data.py`. */
export default createComponent((parent, data) =>
  early ? takeIn(parent) : new Screen(parent, data),
);

/** Show the viewfinder above the page, until Streamlit has come. */
export function showEarly(data) {
  const host = h("div.vf-host");
  const place = h("div", { id: "early" }, host);
  place.dataset.theme = themeOf(host);
  document.body.append(place);
  try {
    const screen = new Screen(host.attachShadow({ mode: "open" }), data, place);
    early = { screen, host, place };
    setTimeout(
      () => early?.screen === screen && screen.update({ ...data, isEarly: false }),
      ALONE_MS,
    );
    whenLeft(() => early?.screen === screen && screen.close());
  } catch (error) {
    // Nothing may cover Streamlit's page, which then shows what it can.
    place.remove();
    throw error;
  }
}

/** Call a function once another page is shown: Streamlit changes the path without an event. */
function whenLeft(onleave) {
  const path = location.pathname;
  const observer = new MutationObserver(() => {
    if (early && location.pathname === path) return;
    observer.disconnect();
    onleave();
  });
  observer.observe(document.body, { childList: true, subtree: true });
}

/** Move the early viewfinder into a component. */
function takeIn(parent) {
  const { screen, host, place } = early;
  early = null;
  screen.join();
  // In `ShadowRoot.moveBefore`, Chromium 156 leaves an element without boxes.
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
  // Moved otherwise, a modal dialog is one no more.
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
  /** True until Streamlit has drawn the page around the viewfinder that was there before. */
  #isNew = false;
  /** What covers the page until then. */
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

  /** Streamlit has come. */
  join() {
    this.#isNew = true;
    this.#followConnection();
  }

  #followConnection() {
    this.#stopFollowing();
    this.#stopFollowing = followConnection((isConnected) => this.#visit.setConnected(isConnected));
  }

  /** Take new data. */
  update(data) {
    this.#drawn = data.chart;
    if (this.#isNew) this.#visit.rejoin();
    this.#isNew = false;
    this.#visit.update(hostOf(data));
    this.#view.update(this.#options(data));
  }

  close() {
    if (early?.screen === this) early = null;
    this.#place?.remove();
    this.#stopFollowing();
    this.#view.unmount();
    /** @type {ShadowRoot} */ (this.#header.getRootNode()).host.remove();
  }

  #options({ base, corrections, lookUp, rows, words }) {
    const theme = themeOf(this.#parent.host);
    this.#header.dataset.theme = theme;
    const correct = (entry, permit) => {
      openCorrection(this.#parent, entry, this.#visit.identifier, permit);
    };
    return {
      ...{ rows, theme, words, above: HEADER, header: this.#header, teach: `${base}teach` },
      onDraw: () => this.#adaptPage(),
      actions: {
        correct: corrections && correct,
        share: (entry) => openShare(this.#parent, entry),
        lookUp: (entry) => openLookUp(this.#parent, entry, lookUp),
      },
    };
  }

  /** A chart never stands beside another answer's words; until it is drawn, its place stays. */
  #adaptPage() {
    const isOwn = tokenOf(this.#visit.state) === this.#drawn;
    // Without a connection, Streamlit puts an error in place of a chart whose script it lacks.
    const isLost = document.querySelector(CHART)?.textContent.includes(LOST);
    show(CHART, isOwn && !isLost);
    show(PLAIN, false);
  }
}

/** Show or hide a part of Streamlit's page; its place stays. */
function show(selector, isShown) {
  const part = /** @type {HTMLElement | null} */ (document.querySelector(selector));
  if (part) part.style.visibility = isShown ? "" : "hidden";
}

/** Return what the page's data says to the visit. */
function hostOf(data) {
  const { api, base, engine, isEarly, limits, model, models, recent, run, session, top } = data;
  const server = { url: `${base}api/v1/`, token: session };
  return {
    ...{ api, engine, isEarly, limits, model, models, recent, run, server, top },
    ...{ prefix: base, folder: `${base}device/`, hasLinks: true },
  };
}
