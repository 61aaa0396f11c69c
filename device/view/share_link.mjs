/**
 * Share links: an answer as a token in the app's address. The server signs the tokens of its own
 * answers (`model/share_link.py`); those of the device are made here, without a signature.
 */

/** Most labels that a link holds. */
const MAX_LABELS = 10;

const ENGINE = "w";
const SMALL_GRAPH = "s";

/**
 * Return the token of a device's answer.
 *
 * @param {{labels: string[]}} info of the model
 * @param {object} prediction as `loupe.mjs` returns it
 */
export function encodeLink({ labels }, { model, version, graph, known, plausible, candidates }) {
  const pairs = candidates
    .slice(0, MAX_LABELS)
    .map(({ label, probability }) => `${labels.indexOf(label)}-${Math.round(probability * 1000)}`);
  const letters = ENGINE + (graph === "small" ? SMALL_GRAPH : "");
  const isKnown = known === null ? "x" : known ? "y" : "n";
  const size = plausible ? Math.min(99, plausible.length) : "x";
  return [model, version, letters, isKnown, size, pairs.join("_")].join("~");
}

/** Return the address that shows an answer to others. */
export function linkUrl(token, address = location.href) {
  const url = new URL(address);
  // Community Cloud frames the app under this path; links go to the app's own address.
  url.pathname = url.pathname.replace("/~/+", "");
  url.search = `?answer=${token}`;
  url.hash = "";
  return url.href;
}
