/**
 * The page's address, and the visit that is kept in step with it. No other module writes the
 * address; other parameters and the fragment stay.
 *
 * On `popstate`, Streamlit updates its own state, tells a page that frames it, and runs the script,
 * as for Back. So that event is dispatched after each change of the address.
 */

import { tokenOf } from "./visit.mjs";

const NAMES = /** @type {const} */ (["answer", "model", "run"]);

/**
 * The query parameters, and `photo`, a photo's id in the history entry. The id identifies answers
 * of models made on this device, which have no token, and photos whose answers share a token.
 *
 * @typedef {Partial<Record<(typeof NAMES)[number] | "photo", string | null>>} Place
 */

/** Return the current place; missing values are null. @returns {Required<Place>} */
export function readAddress() {
  const { searchParams } = new URL(location.href);
  const [answer, model, run] = NAMES.map((name) => searchParams.get(name) || null);
  return { answer, model, run, photo: history.state?.photo ?? null };
}

/**
 * Write a place to the address, as a new history entry; return whether that changed anything.
 *
 * @param {Place} place null removes a parameter, and omitted parameters stay
 * @param {{isReplaced?: boolean}} [options] `isReplaced` replaces the current entry
 */
export function writeAddress({ photo = null, ...place }, { isReplaced = false } = {}) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(place)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  // Tokens contain “~”, which needs no escaping in an address.
  url.search = url.search.replaceAll("%7E", "~");
  if (url.href === location.href && photo === readAddress().photo) return false;
  openAddress(url, { isReplaced, state: photo && { photo } });
  return true;
}

/** Add a history entry for a photo without an answer. Streamlit needn't know of it. */
export function markAddress(photo) {
  const url = new URL(location.href);
  url.searchParams.delete("answer");
  history.pushState({ photo }, "", url);
}

/** Open an address of the app, also of another page, without loading a new document. */
export function openAddress(url, { isReplaced = false, state = null } = {}) {
  history[isReplaced ? "replaceState" : "pushState"](state, "", url);
  announceAddress();
}

/** Run a function after the next paint; on a hidden page, which isn't painted, in a new task. */
export function afterPaint(run) {
  if (document.hidden) setTimeout(run);
  else requestAnimationFrame(() => setTimeout(run));
}

let isAnnouncing = false;

/** True while the listeners of `announceAddress` run. */
let isAnnounced = false;

/**
 * Have Streamlit run its script with the current address, also after a reconnect. This waits for
 * the next paint, because Streamlit's own drawing would delay an answer.
 */
export function announceAddress() {
  if (isAnnouncing) return;
  isAnnouncing = true;
  afterPaint(() => {
    isAnnouncing = false;
    isAnnounced = true;
    dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
    isAnnounced = false;
  });
}

const isSame = (place, other) =>
  Object.entries(place).every(([name, value]) => other[name] === value);

/** Return the model and mode that an address chooses. */
export function chosenBy({ answer, model, run }, host) {
  const isMode = ["auto", "device", ...(host.server ? ["server"] : [])].includes(run);
  const name = answer?.split("~")[0] || model;
  const mode = /** @type {Run} */ (isMode ? run : host.run);
  return { model: name ?? host.model, run: mode };
}

/** Follows changes of the address, and writes the visit's place to it. */
export class VisitAddress {
  #visit;
  /** The place last read or written, and whether the visit has changed the address. */
  #seen = readAddress();
  #isChanged = false;
  #path = location.pathname;
  /** True between the address of another page and the page itself, which may never be drawn. */
  #isLeaving = false;

  constructor(visit, signal) {
    this.#visit = visit;
    // This includes the events that `writeAddress` dispatches.
    addEventListener("popstate", () => this.#follow(readAddress()), { signal });
  }

  /** Follow the address when a view is shown; if it names nothing, write the visit's place. */
  arrive() {
    this.#path = location.pathname;
    this.#isLeaving = false;
    this.#seen = readAddress();
    if (Object.values(this.#seen).some((value) => value !== null)) this.#navigate();
    else this.write(true);
  }

  /** Write the visit's place; `isReplaced` replaces the current history entry. */
  write(isReplaced = false) {
    if (location.pathname !== this.#path) return;
    this.#seen = this.#own;
    this.#isChanged = writeAddress(this.#seen, { isReplaced }) || this.#isChanged;
  }

  /** Add the open photo to the history, without an answer, so that a reload finds it. */
  mark() {
    if (location.pathname !== this.#path) return;
    const { photo } = this.#own;
    this.#seen = { ...this.#seen, answer: null, photo };
    markAddress(photo);
  }

  /** Tell Streamlit about changes of the address from before it loaded. */
  rejoin() {
    if (!this.#isChanged || this.#visit.state.phase === "opening") return;
    // Streamlit may have restored the address that it knew.
    if (isSame(readAddress(), this.#own)) announceAddress();
    else this.write(true);
  }

  /** Follow a change of the address on the visit's own page, but not the visit's own changes. */
  #follow(place) {
    if (!this.#visit.view) return undefined;
    if (location.pathname !== this.#path) return void (this.#isLeaving = true);
    if (this.#isLeaving) return this.arrive();
    if (isSame(place, this.#seen)) return undefined;
    // Streamlit has restored an address that it knew. While an answer is sought, its own is none yet.
    if (isAnnounced && this.#visit.state.phase !== "opening") return this.write(true);
    this.#seen = place;
    return this.#navigate();
  }

  /** Send the place in the address to the visit, unless it is there already. */
  #navigate() {
    const [place, own] = [this.#seen, this.#own];
    if (isSame(place, own)) return;
    const { answer: token, photo } = place;
    // Streamlit's own changes of the address drop the photo's id.
    const isOpen =
      token === own.answer && (photo === own.photo || (photo === null && token !== null));
    const chosen = chosenBy(place, this.#visit.host);
    this.#visit.send({ type: "navigated", token, photo, isOpen, ...chosen });
  }

  /** The visit's own place; the app's defaults aren't named. */
  get #own() {
    const { host, state } = this.#visit;
    const { chosen, entry } = state;
    const answer = host.hasLinks ? tokenOf(state) : null;
    return {
      answer,
      photo: entry?.photo ? entry.id : null,
      model: chosen.model === host.model ? null : chosen.model,
      run: chosen.run === host.run || !host.hasLinks ? null : chosen.run,
    };
  }
}
