/**
 * The only module that writes the page's address. It keeps other parameters and the fragment.
 *
 * On `popstate`, Streamlit updates its own state, tells a page that frames it, and runs the script,
 * as for Back. So that event is dispatched after each change of the address.
 */

const NAMES = /** @type {const} */ (["answer", "model", "run"]);

/**
 * The query parameters, and `photo`, a photo's id in the history entry. The id identifies answers
 * of models made on this device, which have no token, and photos whose answers share a token.
 *
 * @typedef {Partial<Record<(typeof NAMES)[number] | "photo", string | null>>} Place
 */

/**
 * Return the current place; missing values are null.
 *
 * @returns {Required<Place>}
 */
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

/**
 * Have Streamlit run its script with the current address, also after a reconnect. This waits for
 * the next paint, because Streamlit's own drawing would delay an answer.
 */
export function announceAddress() {
  if (isAnnouncing) return;
  isAnnouncing = true;
  afterPaint(() => {
    isAnnouncing = false;
    dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
  });
}
