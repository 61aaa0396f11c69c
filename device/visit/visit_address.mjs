/** The visit's place in the address, in both directions. */

/** @import { Visit } from "./open_visit.mjs" */
/** @import { Host } from "./types" */

import { followAddress, readAddress, writeAddress } from "./address.mjs";
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
  /** What the address was last seen to name. */
  #seen = readAddress();
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
    this.#seen = this.#own;
    writeAddress(this.#seen, { isReplaced });
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
    const isOpen = token === own.answer && photo === own.photo;
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
      photo: entry?.answer && !answer ? entry.id : null,
      model: chosen.model === host.model ? null : chosen.model,
      run: chosen.run === host.run || !host.hasLinks ? null : chosen.run,
    };
  }
}
