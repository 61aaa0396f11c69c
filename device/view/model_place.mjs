/**
 * Where another model is to see the photo that is open: the visitor is asked once, where a photo would
 * leave the device or a model be fetched.
 */

import { pause } from "../engine/abort.mjs";
import { modelQuestion } from "./ask.mjs";

/** Longest wait for the size of a model before a question, in milliseconds. */
const ABOUT_MS = 1500;

/** @typedef {"device" | "any"} Place "any": as the mode has it */

export class ModelPlace {
  /** Models that were ready on this device: the browser still has their files. */
  ready = new Set();
  #getScreen;
  /** What the visitor has chosen. */
  #chosen = null;
  /** Number of times that this was to be asked. */
  #questions = 0;

  /** @param {() => {data: any, identifier: any, view: any}} getScreen returns the present parts */
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
    if (!this.#chosen || (run === "device" && this.#chosen !== "device")) return null;
    return this.#chosen === "device" ? "device" : "any";
  }

  /**
   * Return a model's place; ask if it isn't known. Null means nowhere.
   *
   * @param {string} name
   * @param {{photo: Blob}} entry
   * @returns {Promise<Place | null>}
   */
  async choose(name, entry) {
    const known = this.known(name);
    if (known) return known;
    const turn = ++this.#questions;
    const { base, models, run } = this.#getScreen().data;
    const url = `${base}device/models/${name}/model.json`;
    const { title } = models.find((model) => model.name === name) ?? { title: name };
    const unknown = pause(ABOUT_MS).then(() => ({ bytes: null, recipe: null }));
    const { bytes, recipe } = await Promise.race([sizeOf(url, this.ready.size > 0), unknown]);
    const { identifier, view } = this.#getScreen();
    // Another model was chosen meanwhile, or another photo.
    if (turn !== this.#questions || view.entry !== entry) return null;
    const isServerAWay = run === "auto";
    const question = modelQuestion(
      { title, bytes, recipe },
      identifier.state,
      entry.photo,
      isServerAWay,
    );
    const way = await view.ask(question).catch(() => null);
    if (!way) return null;
    this.#chosen = way;
    return way === "device" ? "device" : "any";
  }
}

/**
 * Return the bytes that a model's files take on the way, and its recipe; null where that isn't known.
 *
 * @param {string} url of its `model.json`
 * @param {boolean} hasRuntime whether the browser has what runs all models
 */
async function sizeOf(url, hasRuntime) {
  const response = await fetch(url).catch(() => null);
  const info = response?.ok ? await response.json() : null;
  if (!info) return { bytes: null, recipe: null };
  const { graphs, recipe, runtime } = info;
  const { bytes, golden } = graphs.small;
  return { bytes: bytes + golden.bytes + (hasRuntime ? 0 : runtime.bytes), recipe };
}
