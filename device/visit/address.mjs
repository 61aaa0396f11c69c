/**
 * The page's address, the only module that writes it. Other parameters and the fragment stay.
 *
 * Streamlit follows `popstate`, as it follows Back: it takes the address into its own state, tells a
 * frame around it, and runs the page's script. So the event follows each change.
 */

const NAMES = /** @type {const} */ (["answer", "model", "run"]);

/**
 * What the address names, and `photo`, the id of the answered photo, in the entry of the history: no
 * address names an answer of a model that was made here, and two photos may have the same one.
 *
 * @typedef {Partial<Record<(typeof NAMES)[number] | "photo", string | null>>} Place
 */

/**
 * Return what the address names; null where it names nothing.
 *
 * @returns {Required<Place>}
 */
export function readAddress() {
  const { searchParams } = new URL(location.href);
  const [answer, model, run] = NAMES.map((name) => searchParams.get(name) || null);
  return { answer, model, run, photo: history.state?.photo ?? null };
}

/**
 * Name a place in the address, as a new entry of the history; return whether it wasn't there.
 *
 * @param {Place} place parameters; null removes one, and one that isn't given stays
 * @param {{isReplaced?: boolean}} [options] `isReplaced` changes the present entry
 */
export function writeAddress({ photo = null, ...place }, { isReplaced = false } = {}) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(place)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  // Tokens have “~”, which addresses may have as it is.
  url.search = url.search.replaceAll("%7E", "~");
  if (url.href === location.href && photo === readAddress().photo) return false;
  openAddress(url, { isReplaced, state: photo && { photo } });
  return true;
}

/** Note a photo in a new entry of the history, whose address stays until the photo is answered. */
export function markAddress(photo) {
  history.pushState({ photo }, "", location.href);
}

/** Open an address of the app, perhaps of another page, without leaving the document. */
export function openAddress(url, { isReplaced = false, state = null } = {}) {
  history[isReplaced ? "replaceState" : "pushState"](state, "", url);
  announceAddress();
}

/** Run a function once the page is painted; in the background, where it isn't, soon. */
export function afterPaint(run) {
  if (document.hidden) setTimeout(run);
  else requestAnimationFrame(() => setTimeout(run));
}

let isAnnouncing = false;

/**
 * Have Streamlit follow the address, as after a reconnect: its script runs with it. Streamlit draws
 * its page at once, so an answer is painted before.
 */
export function announceAddress() {
  if (isAnnouncing) return;
  isAnnouncing = true;
  afterPaint(() => {
    isAnnouncing = false;
    dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
  });
}

/**
 * Follow the visitor's own steps through the history, until `signal` is aborted. `onchange` is also
 * called after `writeAddress`.
 */
export function followAddress(onchange, signal) {
  addEventListener("popstate", () => onchange(readAddress()), { signal });
}
