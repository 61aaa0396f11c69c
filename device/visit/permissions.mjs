/**
 * The visitor's permissions: what may leave the device, by the words on the screen at a press and
 * by the questions that the visitor answered.
 */

import { pause } from "../engine/abort.mjs";
import { fileQuestion, isToCome, placeQuestion } from "../view/disclosure.mjs";
import { everSent, isWithin } from "./outgoing.mjs";

/** Longest wait for a model's description before a question, in milliseconds. */
const ABOUT_MS = 1500;

/** Time in the background after which a press no longer counts, in milliseconds. */
const AWAY_MS = 120_000;

/** A visitor's refusal; `wantsOther` if the visitor will choose another photo. */
export class Declined extends Error {
  constructor(wantsOther = false) {
    super("The visitor declined.");
    this.wantsOther = wantsOther;
  }
}

/** Return the part of a photo that leaves the device; the file while that isn't known. */
const partOf = ({ next, sends }) => (next === "device" ? "nothing" : (sends ?? "file"));

/** Makes permissions, and asks the visitor before more leaves the device than they cover. */
export class Permissions {
  /** @type {Part} The part of a photo that the last line names. */
  #said = "nothing";
  /** @type {Part} What the visitor agreed to send of open photos. */
  #agreed = "nothing";
  /** True if open photos wait for the device, by the visitor's choice. */
  #isWaiting = false;
  /** "send" or "keep", once the visitor was asked about a file that this browser can't read. */
  #fileChoice = null;
  #present = new AbortController();
  /** Brings the words of an open question up to date. */
  follow = () => {};
  /** @type {VisitView["ask"]} */
  #ask;

  /** `signal` ends all permissions for good. @param {VisitView["ask"]} ask */
  constructor(ask, signal) {
    this.#ask = ask;
    let timer;
    let hiddenAt = Infinity;
    const followPage = () => {
      clearTimeout(timer);
      // Timers don't run while a phone sleeps.
      if (Date.now() - hiddenAt > AWAY_MS) this.end();
      hiddenAt = document.hidden ? Date.now() : Infinity;
      if (document.hidden) timer = setTimeout(() => this.end(), AWAY_MS);
    };
    document.addEventListener("visibilitychange", followPage, { signal });
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      this.#present.abort();
    });
  }

  /** End all permissions, as when the page is left. */
  end() {
    this.#present.abort();
    this.#present = new AbortController();
  }

  get isFileAllowed() {
    return this.#fileChoice === "send";
  }

  /** Note what the last line says; null leaves what it said before. */
  note(part) {
    this.#said = part ?? this.#said;
  }

  /** Note the choice of a mode, whose words in the menu say what the server gets. */
  noteRun(run, state) {
    this.#agreed = partOf({ ...state, next: run === "device" ? "device" : "server" });
  }

  /**
   * Return the permission of a press, by the words that are on the screen now; `isOpen` tells
   * whether a photo is. They are the identifier's. The photo is null if it is yet to be taken.
   *
   * @type {(identifier: Identifier, isOpen: boolean, photo?: Blob | null) => Permission}
   */
  press(identifier, isOpen, photo = null) {
    const { model, api, run } = identifier;
    const part = run === "device" ? "nothing" : isOpen ? this.#ofOpen : this.#said;
    const terms = { part, model, host: api, photo, signal: this.#present.signal };
    return Object.freeze({ ...terms, isFileAllowed: this.isFileAllowed && run !== "device" });
  }

  /**
   * Return the permission of a press beside an answer, where words say which part of its photo is
   * sent.
   *
   * @type {(entry: Entry, identifier: Identifier, part: Part) => Permission}
   */
  pressBeside({ photo, answer: { prediction } }, identifier, part) {
    return Object.freeze({ ...this.press(identifier, true, photo), part, model: prediction.model });
  }

  /**
   * Return where another model would answer the open photo; null if the page asks.
   *
   * @type {(state: IdentifierState, run: Run) => "server" | "device" | null}
   */
  placeOf({ sends }, run) {
    const part = partOf({ next: "server", sends });
    if (run === "auto" && isWithin(part, this.#ofOpen)) return "server";
    return this.#isWaiting ? "device" : null;
  }

  /** The part of an open photo that may leave now. */
  get #ofOpen() {
    return isWithin(this.#said, this.#agreed) ? this.#agreed : this.#said;
  }

  /**
   * Ask where a photo is answered; `previous` is the answered entry that was shown before.
   *
   * @type {(photo: Blob, identifier: Identifier, previous: Entry | null, signal: AbortSignal) =>
   *   Promise<"device" | null>} see `Identifier.identify`
   * @throws {Declined}
   */
  async askPlace(photo, identifier, previous, signal) {
    const { state } = identifier;
    if (this.#isWaiting && isToCome(state)) return "device";
    const isOpen = photo === previous?.photo;
    const describe = (about) => placeQuestion(photo, identifier, about ?? {}, isOpen);
    const coming = identifier.about(previous?.answer.is_packed === false);
    let about = await Promise.race([coming, pause(ABOUT_MS, signal)]);
    const follow = (show, end) => {
      this.follow = () => (identifier.device.isReady ? end("ready") : show(describe(about)));
      // The size of a model is unknown while the server still makes it.
      coming.then((known) => ((about = known), this.follow()));
    };
    const way = await this.#ask({ ...describe(about), follow }, everSent(photo), signal);
    this.follow = () => {};
    // The model has come meanwhile: nothing needs to be sent.
    if (way === "ready") return null;
    if (way === "server") this.#agreed = partOf(state);
    else if (way === "device") this.#isWaiting = true;
    else throw new Declined();
    return way === "device" ? "device" : null;
  }

  /**
   * Ask for the first file that this browser can't read.
   *
   * @throws {Declined | LoupeError} `cause`, once declined
   */
  async askFile(photo, cause, identifier, signal) {
    // Without a connection, there is nothing to ask.
    if (this.#fileChoice === "keep" || !identifier.state.isConnected) throw cause;
    const question = fileQuestion(photo, cause, identifier.api);
    const way = await this.#ask(question, everSent(photo), signal);
    this.#fileChoice = way;
    if (way !== "send") throw new Declined(way !== null);
  }
}
