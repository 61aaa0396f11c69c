/**
 * The viewfinder as a component of Streamlit: the visit of this document, in a place on the page. The
 * same element keeps the same view, and so the same camera.
 */

import { openCorrection, openLookUp, openShare } from "./view/actions.mjs";
import { linkStyles } from "./view/elements.mjs";
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

/** Show the viewfinder; for `data` see `page_data` in `ui/page_data.py`. */
export default createComponent((parent, data) => new Screen(parent, data));

class Screen {
  #parent;
  #visit;
  #view;
  #header;
  #stopFollowing;
  /** The token of the answer whose chart the page has drawn, or null. */
  #drawn = null;

  constructor(parent, data) {
    this.#parent = parent;
    linkStyles(parent, ["../streamlit"]);
    this.#header = createHeader(data.logo);
    this.#visit = openVisit(hostOf(data));
    this.#view = mountViewfinder(parent, this.#visit, this.#options(data));
    this.#stopFollowing = followConnection((isConnected) => this.#visit.setConnected(isConnected));
  }

  /** Take new data. */
  update(data) {
    this.#drawn = data.chart;
    this.#visit.update(hostOf(data));
    this.#view.update(this.#options(data));
  }

  close() {
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
    show(CHART, isOwn);
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
  const { api, base, engine, limits, model, models, recent, run, session, top } = data;
  const server = { url: `${base}api/v1/`, token: session };
  return {
    ...{ api, engine, limits, model, models, recent, run, server, top },
    ...{ prefix: base, folder: `${base}device/`, hasLinks: true },
  };
}
