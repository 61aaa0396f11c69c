/**
 * Live answers: the headline changes once another one has lasted, numbers twice per second.
 */

import { toText } from "./phrasing.mjs";

/** Answers whose mean is shown: those of two thirds of a second. */
export const AVERAGE = 8;

const HOLD_MS = 600;
const NUMBERS_MS = 500;
const SPOKEN_MS = 3000;
const RATE_MS = 2000;

/** Choose what to show of a stream of answers. Times are milliseconds of `performance.now()`. */
export class CalmAnswer {
  /** The answer whose headline and numbers are shown. */
  shown = null;
  /** Answers per second, as a whole number; null until it is known. */
  rate = null;
  #headline = null;
  #candidate = null;
  #since = 0;
  #numbersAt = 0;
  #spoken = null;
  #spokenAt = -Infinity;
  #rateFrom = null;
  #count = 0;

  /**
   * Take an answer.
   *
   * @returns {{isNew: boolean, isNewHeadline: boolean, speak: string | null}} whether `shown` is
   *   another answer, with another headline, and what to read aloud
   */
  push(answer, now) {
    const headline = toText(answer.headline);
    this.#measureRate(now);
    const isFirst = this.shown === null;
    let isNewHeadline = isFirst;
    let isNew = isFirst;
    if (headline === this.#headline) {
      this.#candidate = null;
      isNew = now - this.#numbersAt >= NUMBERS_MS;
    } else if (!isFirst) {
      if (headline !== this.#candidate) {
        this.#candidate = headline;
        this.#since = now;
      }
      isNew = isNewHeadline = now - this.#since >= HOLD_MS;
    }
    if (isNew) {
      this.shown = answer;
      this.#numbersAt = now;
    }
    if (isNewHeadline) {
      this.#headline = headline;
      this.#candidate = null;
    }
    return { isNew, isNewHeadline, speak: this.#toSpeak(now) };
  }

  #toSpeak(now) {
    if (this.#headline === this.#spoken || now - this.#spokenAt < SPOKEN_MS) return null;
    this.#spoken = this.#headline;
    this.#spokenAt = now;
    return this.#headline;
  }

  #measureRate(now) {
    this.#rateFrom ??= now;
    const passed = now - this.#rateFrom;
    if (passed >= RATE_MS) {
      this.rate = Math.round((this.#count * 1000) / passed);
      this.#rateFrom = now;
      this.#count = 0;
    }
    this.#count += 1;
  }
}
