/**
 * The visitor's consent to sending a photo, a file that the browser can't read, or the open photo
 * when another model is chosen.
 */

/** @import { Answer } from "../types" */
/** @import { Identifier, IdentifierState } from "./types" */

import { pause } from "../engine/abort.mjs";
import { ask } from "./ask.mjs";
import { fileQuestion, modelQuestion, photoQuestion } from "./disclosure.mjs";

/** Longest wait for the size of a model, before the question that names it, in milliseconds. */
const SIZE_TIMEOUT_MS = 1500;

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
  /** "send" or "keep", once the visitor was asked about a file that this browser can't read. */
  #fileChoice = null;
  #openQuestion = new AbortController();

  /** @param {{root: Element, words: Element}} parts of the viewfinder */
  constructor(parts) {
    this.#parts = parts;
  }

  /** True if files that this browser can't read may be sent. */
  get isFileAllowed() {
    return this.#fileChoice === "send";
  }

  /**
   * Note what the page says about the next photo.
   *
   * @param {Pick<IdentifierState, "next" | "sends">} state
   */
  note(state) {
    this.#promised = amountOf(state);
  }

  /**
   * Note that the words of a menu or a question named the server.
   *
   * @param {Pick<IdentifierState, "sends">} state
   */
  noteServer({ sends }) {
    this.note({ next: "server", sends });
  }

  /**
   * Ask a question in place of an earlier one; null if the visitor closes it.
   *
   * @param {import("./types").Question} question
   * @param {Identifier} identifier
   * @param {AbortSignal} signal closes the question
   */
  async ask(question, identifier, signal) {
    this.#openQuestion.abort();
    const controller = (this.#openQuestion = new AbortController());
    signal.addEventListener("abort", () => controller.abort(), { once: true });
    const way = await ask(this.#parts, question, controller.signal);
    if (way === "server") this.noteServer(identifier.state);
    return way;
  }

  /**
   * Identify a photo; ask first if more would leave the device than the page said.
   *
   * @param {Blob} photo
   * @param {import("../types").Entry | null} previous the entry that was shown before
   * @param {Identifier} identifier
   * @param {{top: number, place: "device" | "any" | null, signal: AbortSignal}} options see
   *   `Identifier.identify`
   * @returns {Promise<Answer>}
   * @throws {Declined} or as `Identifier.identify`
   */
  async identify(photo, previous, identifier, options) {
    const { place, signal } = options;
    if (previous?.answer && place !== "device") {
      await this.#check(photo, previous, identifier, signal);
    }
    const ask = (error) => this.#mayBeSent(photo, error, signal);
    return identifier.identify(photo, { ...options, ask });
  }

  /** Ask if more would leave than the page said, or than was sent of the previous photo. */
  async #check(photo, previous, identifier, signal) {
    await identifier.decided(signal);
    const { state, recipe } = identifier;
    // Nothing was sent for a shared answer: its photo isn't this visitor's.
    const { sent } = previous.answer;
    const before = sent ? amountOf({ next: "server", sends: sent.kind }) : 0;
    if (amountOf(state) <= Math.max(this.#promised, before)) return;
    const way = await this.ask(photoQuestion(photo, recipe, state), identifier, signal);
    if (way !== "server") throw new Declined();
  }

  /** Return whether a file may be sent that this browser can't read; ask for the first one. */
  async #mayBeSent(photo, error, signal) {
    if (!this.#fileChoice) {
      const way = await ask(this.#parts, fileQuestion(photo, error), signal);
      this.#fileChoice = way;
      if (way !== "send") throw new Declined(way !== null);
    }
    return this.isFileAllowed;
  }
}

/** @typedef {"device" | "any"} Place "any": as the mode decides */

/**
 * The place where another model identifies the open photo: the visitor is asked once, if a photo
 * would leave the device or a model would be fetched.
 */
export class ModelPlace {
  /** Models that were ready on this device: the browser still has their files. */
  ready = new Set();
  #getScreen;
  /** The visitor's choice. */
  #chosen = null;
  /** Number of questions so far: only the newest is asked. */
  #turn = 0;

  /** @param {() => {data: any, identifier: any, view: any}} getScreen returns the current parts */
  constructor(getScreen) {
    this.#getScreen = getScreen;
  }

  /**
   * Return a model's place, or null if the visitor is to be asked.
   *
   * @param {string} name
   * @returns {Place | null}
   */
  known(name) {
    const { data, identifier } = this.#getScreen();
    const { downloads, run } = data;
    const isOff = run === "auto" && ["off", "failed"].includes(identifier.state.device);
    if (run === "server" || !downloads || isOff) return "any";
    if (this.ready.has(name)) return "device";
    return run === "device" && this.#chosen === "any" ? null : this.#chosen;
  }

  /**
   * Return a model's place; ask if it isn't known. Null if the visitor declines.
   *
   * @param {string} name
   * @param {{photo: Blob}} entry
   * @returns {Promise<Place | null>}
   */
  async choose(name, entry) {
    const known = this.known(name);
    if (known) return known;
    const turn = ++this.#turn;
    const { base, models, run } = this.#getScreen().data;
    const { title } = models.find((model) => model.name === name) ?? { title: name };
    const unknown = { bytes: null, recipe: null };
    const about = await Promise.race([
      sizeOf(`${base}device/models/${name}/model.json`, this.ready.size > 0).catch(() => unknown),
      pause(SIZE_TIMEOUT_MS).then(() => unknown),
    ]);
    const { identifier, view } = this.#getScreen();
    // Another model was chosen meanwhile, or another photo.
    if (turn !== this.#turn || view.entry !== entry) return null;
    const hasServer = run === "auto";
    const question = modelQuestion({ title, ...about }, identifier.state, entry.photo, hasServer);
    const way = await view.ask(question).catch(() => null);
    if (!way) return null;
    this.#chosen = way === "device" ? "device" : "any";
    return this.#chosen;
  }
}

/**
 * Return the size of a model's download, in bytes, and its recipe.
 *
 * @param {string} url of its `model.json`
 * @param {boolean} hasRuntime whether the browser already has ONNX Runtime
 */
async function sizeOf(url, hasRuntime) {
  const response = await fetch(url);
  const { graphs, recipe, runtime } = await response.json();
  const { bytes, golden } = graphs.small;
  return { bytes: bytes + golden.bytes + (hasRuntime ? 0 : runtime.bytes), recipe };
}
