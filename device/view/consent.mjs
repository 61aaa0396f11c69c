/**
 * What the visitor was told that leaves the device, and agreed to. What was said last holds: more than
 * that is asked about first.
 */

/** @import { Identifier, IdentifierState } from "./types" */

import { ask, fileQuestion, photoQuestion } from "./ask.mjs";

/** Thrown where a question was answered with no; `wantsOther` if by its button, for a file. */
export class Declined extends Error {
  constructor(wantsOther = false) {
    super("The visitor said no.");
    this.wantsOther = wantsOther;
  }
}

/** Return how much leaves the device: 0 nothing, 1 pixels, 2 the file, or perhaps the file. */
const amountOf = ({ next, sends }) => (next === "device" ? 0 : sends === "pixels" ? 1 : 2);

export class Consent {
  #parts;
  #promised = 0;
  /** "send" or "keep", once the visitor was asked about a file that this browser can't read. */
  #fileChoice = null;

  /** @param {{root: Element, words: Element}} parts of the viewfinder */
  constructor(parts) {
    this.#parts = parts;
  }

  /** Whether such files may be sent. */
  get isFileAllowed() {
    return this.#fileChoice === "send";
  }

  /**
   * Note what was said of the next photo.
   *
   * @param {Pick<IdentifierState, "next" | "sends">} state
   */
  note(state) {
    this.#promised = amountOf(state);
  }

  /**
   * Ask if more would leave than was said last: of the next photo, or of the visitor's own one that
   * is shown. The line of a shared answer says nothing of the visitor's photo.
   *
   * @param {Blob} photo
   * @param {{photo: Blob | null, answer: import("../types").Answer}} former what is shown
   * @param {Pick<Identifier, "state" | "recipe" | "decided">} identifier
   * @param {AbortSignal} signal
   * @throws {Declined} or the signal's reason
   */
  async check(photo, former, identifier, signal) {
    await identifier.decided(signal);
    const { state, recipe } = identifier;
    const { sent } = former.answer;
    const before = sent ? amountOf({ next: "server", sends: sent.kind }) : 0;
    if (amountOf(state) <= Math.max(this.#promised, before)) return;
    const way = await ask(this.#parts, photoQuestion(photo, recipe, state), signal);
    if (way !== "server") throw new Declined();
    this.note(state);
  }

  /**
   * Return whether a file may be sent that this browser can't read; the first one asks.
   *
   * @param {Blob} photo
   * @param {{code: string}} error of the attempt
   * @param {AbortSignal} signal
   * @throws {Declined} if the visitor just said no
   */
  async mayBeSent(photo, error, signal) {
    if (!this.#fileChoice) {
      const way = await ask(this.#parts, fileQuestion(photo, error), signal);
      this.#fileChoice = way;
      if (way !== "send") throw new Declined(way !== null);
    }
    return this.isFileAllowed;
  }
}
