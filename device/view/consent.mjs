/**
 * The visitor's consent to what leaves the device, by what was said and answered: of a photo, and of
 * a file that the browser can't read.
 */

/** @import { Answer, Entry } from "../types" */
/** @import { Identifier, IdentifierState } from "./types" */

import { pause } from "../engine/abort.mjs";
import { ask } from "./ask.mjs";
import { fileQuestion, isToCome, placeQuestion } from "./disclosure.mjs";

/** Longest wait for a model's description before a question, in milliseconds. */
const ABOUT_MS = 1500;

/** A visitor's refusal; `wantsOther` if the visitor will choose another photo. */
export class Declined extends Error {
  constructor(wantsOther = false) {
    super("The visitor declined.");
    this.wantsOther = wantsOther;
  }
}

/** Return how much leaves the device: 0 nothing, 1 pixels, 2 the file, or perhaps the file. */
const amountOf = ({ next, sends }) => (next === "device" ? 0 : sends === "pixels" ? 1 : 2);

/** Asks the visitor before more leaves the device than the page last said. */
export class Consent {
  #parts;
  #promised = 0;
  /** What the visitor agreed to send, and whether photos wait for the device; for this visit. */
  #agreed = 0;
  #isWaiting = false;
  /** "send" or "keep", once the visitor was asked about a file that this browser can't read. */
  #fileChoice = null;

  /** @param {{root: Element, words: Element}} parts of the viewfinder */
  constructor(parts) {
    this.#parts = parts;
  }

  /** True if files that this browser can't read may be sent. */
  get isFileAllowed() {
    return this.#fileChoice === "send";
  }

  /** Note what the page says about the next photo, by `next` and `sends` of a state. */
  note(state) {
    this.#promised = amountOf(state);
  }

  /**
   * Have a photo identified; ask first where more would leave than was said.
   *
   * @param {Blob} photo
   * @param {Entry | null} previous the answered entry that was shown before
   * @param {Identifier} identifier
   * @param {{top: number, place: "device" | null, signal: AbortSignal, onPlace: Function}} options
   *   `onPlace` is called with the place that was chosen, before anything is sent
   * @throws {Declined} or as `Identifier.identify`
   */
  async identify(photo, previous, identifier, { onPlace, ...options }) {
    const { signal } = options;
    const find = () => this.#placeOf(photo, previous, identifier, signal);
    const place = options.place ?? (previous ? await find() : null);
    onPlace(place);
    const ask = (error) => this.#mayBeSent(photo, error, identifier.api, signal);
    const answer = await identifier.identify(photo, { ...options, place, ask });
    // Its line doesn't say that photos are sent.
    if (answer.where === "device" && !answer.sent) this.#promised = 0;
    return answer;
  }

  /**
   * Ask if more would leave than the page said, or than was sent of the photo that is shown; or if a
   * model would be fetched for that photo.
   *
   * @returns {Promise<"device" | null>} see `Identifier.identify`
   */
  async #placeOf(photo, previous, identifier, signal) {
    await identifier.decided(signal);
    const { state } = identifier;
    const isOpen = photo === previous.photo;
    const isFetched = isOpen && state.device === "off" && state.next === "device";
    if (!isFetched && this.#covers(state, previous.answer)) return null;
    if (this.#isWaiting && isToCome(state)) return "device";
    const hasRuntime = previous.answer.where === "device";
    const about = await Promise.race([identifier.about(hasRuntime), pause(ABOUT_MS, signal)]);
    const question = placeQuestion(photo, identifier, about ?? {}, isOpen);
    const way = await ask(this.#parts, question, signal);
    if (way === "server") this.#agreed = amountOf(state);
    else if (way === "device") this.#isWaiting = true;
    else throw new Declined();
    return way === "device" ? "device" : null;
  }

  /**
   * Return whether the page has said what would leave, or the visitor agreed to it.
   *
   * @param {Pick<IdentifierState, "next" | "sends">} state
   * @param {Answer} answer of the photo that is shown
   */
  #covers(state, { sent }) {
    // The line of a shared answer says nothing of the visitor's photo.
    const before = sent ? amountOf({ next: "server", sends: sent.kind }) : 0;
    return amountOf(state) <= Math.max(this.#promised, this.#agreed, before);
  }

  /**
   * Return where a model that isn't here would get the open photo; null if it asks.
   *
   * @param {Entry} entry with its answer
   * @param {IdentifierState} state
   * @param {import("../types").Run} run
   */
  placeOf({ answer }, { sends }, run) {
    if (run === "auto" && this.#covers({ next: "server", sends }, answer)) return "server";
    return this.#isWaiting ? "device" : null;
  }

  /** Return whether a file may be sent that this browser can't read; ask for the first one. */
  async #mayBeSent(photo, error, api, signal) {
    if (!this.#fileChoice) {
      const way = await ask(this.#parts, fileQuestion(photo, error, api), signal);
      this.#fileChoice = way;
      if (way !== "send") throw new Declined(way !== null);
    }
    return this.isFileAllowed;
  }
}
