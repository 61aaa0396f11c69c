/** The visit's place in the address, in both directions. */

/** @import { Visit } from "./open_visit.mjs" */
/** @import { Host } from "./types" */

import {
  announceAddress,
  followAddress,
  markAddress,
  readAddress,
  writeAddress,
} from "./address.mjs";
import { tokenOf } from "./visit.mjs";

/** Return whether two places are the same. */
const isSame = (place, other) =>
  Object.entries(place).every(([name, value]) => other[name] === value);

/**
 * Return what an address chooses.
 *
 * @param {import("./address.mjs").Place} place
 * @param {Host} host
 */
export function chosenBy({ answer, model, run }, host) {
  const isMode = ["auto", "device", "server"].includes(run);
  const name = answer?.split("~")[0] || model;
  const mode = /** @type {import("../types").Run} */ (isMode ? run : host.run);
  return { model: name ?? host.model, run: mode };
}

/** Follows the address, and writes it. */
export class VisitAddress {
  #visit;
  /** What the address was last seen to name, and whether the visit has changed it. */
  #seen = readAddress();
  #isChanged = false;
  /** The path of the page that shows the visit. */
  #path = location.pathname;

  /**
   * @param {Visit} visit
   * @param {AbortSignal} signal ends it
   */
  constructor(visit, signal) {
    this.#visit = visit;
    followAddress((place) => this.#follow(place), signal);
  }

  /** The visit is shown, perhaps again: it goes where the address leads, or names itself there. */
  arrive() {
    this.#path = location.pathname;
    this.#seen = readAddress();
    if (Object.values(this.#seen).some((value) => value !== null)) this.#navigate();
    else this.write(true);
  }

  /** Name the visit's place; `isReplaced` changes the present entry of the history. */
  write(isReplaced = false) {
    if (location.pathname !== this.#path) return;
    this.#seen = this.#own;
    this.#isChanged = writeAddress(this.#seen, { isReplaced }) || this.#isChanged;
  }

  /** Note the open photo in the history, from which a reload finds it. */
  mark() {
    if (location.pathname !== this.#path) return;
    const { photo } = this.#own;
    this.#seen = { ...this.#seen, photo };
    markAddress(photo);
  }

  /** Tell Streamlit, which has come by now, of what changed meanwhile. */
  rejoin() {
    if (!this.#isChanged || this.#visit.state.phase === "opening") return;
    // Streamlit may have put back the address that it knew.
    if (isSame(readAddress(), this.#own)) announceAddress();
    else this.write(true);
  }

  /** Follow the address of the visit's own page, unless it is as before: then it was announced. */
  #follow(place) {
    if (!this.#visit.view || location.pathname !== this.#path || isSame(place, this.#seen)) return;
    this.#seen = place;
    this.#navigate();
  }

  /** Go where the address leads, unless that is here. */
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

  /** What the address is to name; the app's own choices aren't named. */
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
