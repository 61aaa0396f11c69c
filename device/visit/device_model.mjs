/** The model on this device, and the worker in which pixels are made before and without it. */

import { untilAborted } from "../engine/abort.mjs";
import { LoupeError } from "../engine/errors.mjs";
import { ModelWorker } from "../engine/model_worker.mjs";
import { roundHalfEven } from "../engine/rounding.mjs";
import { load } from "../loupe.mjs";
import { phraseAnswer } from "../view/phrasing.mjs";

const CLOSED = "The model was closed.";
const OTHER_MODEL = "Another model gave this answer. Open it again to see why.";

/** Most labels that a link holds. */
const MAX_LABELS = 10;

export class DeviceModel {
  /** @type {Omit<IdentifierState, "server" | "isConnected" | "next" | "sends">} */
  state = { device: "off", loaded: 0, total: 0, isStalled: false, reason: null, code: null };
  /** Settles when the device can answer, or can't; null before it loads. */
  loading = null;
  /** Its `model.json`, once loaded; null before. */
  info = null;
  #options;
  #onchange;
  #model = null;
  #worker = null;
  #closing = new AbortController();

  /**
   * @param {object} options
   * @param {string | null} options.address of the folder with `model.json`
   * @param {GraphName} options.graph
   * @param {TaughtModel} [options.taught] your model, on that one as its base
   * @param {string | null} options.off why nothing runs on this device, or null
   * @param {() => void} onchange
   */
  constructor(options, onchange) {
    this.#options = options;
    this.#onchange = onchange;
    this.state.reason = options.off;
  }

  get isReady() {
    return this.#model !== null;
  }

  /** The present worker, or a new one. */
  get worker() {
    this.#closing.signal.throwIfAborted();
    const isEarly = this.state.device !== "loading";
    if (!this.#worker || this.#worker.isClosed) {
      const { started } = ModelWorker;
      ModelWorker.started = null;
      this.#worker = started?.isClosed === false ? started : new ModelWorker({ isEarly });
    }
    return this.#worker;
  }

  #set(changes) {
    if (this.#closing.signal.aborted) return;
    this.state = { ...this.state, ...changes };
    this.#onchange();
  }

  skip(reason, code) {
    if (!this.#options.off && !this.#model) this.#set({ reason, code });
  }

  /** Begin to load the model, unless that was done; again, if loading has failed. */
  start() {
    if (this.#options.off || this.#model || this.state.device === "loading") return;
    // A runtime that failed once fails again.
    if (this.state.device === "failed") this.#worker?.close();
    const fresh = { loaded: 0, total: 0, isStalled: false, reason: null, code: null };
    this.#set({ device: "loading", ...fresh });
    this.loading = this.#load();
    this.loading.catch(() => {});
  }

  /** Answer by another one of your models on the same base. */
  setTaught(taught) {
    this.#options.taught = taught;
    this.#model = null;
    this.start();
  }

  async #load() {
    const onProgress = (loaded, total, isStalled = false) =>
      this.#set({ loaded, total, isStalled });
    const { address, graph, taught } = this.#options;
    const { signal } = this.#closing;
    if (this.#worker?.isEarly) this.#worker.close();
    const { worker } = this;
    try {
      this.#model = await load(address, { graph, onProgress, signal, worker, taught });
      this.info = this.#model.info;
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    this.#set({ device: "ready" });
  }

  #fail({ code, message }) {
    this.#model = null;
    this.#set({ device: "failed", reason: message, code });
  }

  /**
   * Return the model, once the device can answer. @throws {LoupeError} if it can't, or the reason
   */
  async loaded(signal) {
    const { off } = this.#options;
    if (off) throw new LoupeError("engine-unavailable", off);
    this.#closing.signal.throwIfAborted();
    this.start();
    await untilAborted(this.loading, signal);
    return this.#model;
  }

  async identify(blob, options) {
    const answering = this.#model.identify(blob, { top: options.top });
    try {
      return this.#phrase(await untilAborted(answering, options.signal));
    } catch (error) {
      // The worker has ended because memory ran out.
      if (error.code === "engine-unavailable") this.#fail(error);
      throw error;
    }
  }

  async *watch(video, options) {
    await this.loaded(options.signal);
    for await (const prediction of this.#model.watch(video, options)) {
      yield this.#phrase(prediction);
    }
  }

  /** Explain a prediction of this model; see `Identifier.explain`. */
  async explain(blob, { prediction }, options) {
    await this.loaded(options.signal);
    if (prediction.model !== this.info.name) {
      throw new LoupeError("engine-unavailable", OTHER_MODEL);
    }
    return this.#model.explain(blob, options);
  }

  close() {
    this.#closing.abort(new LoupeError("engine-unavailable", CLOSED));
    this.#worker?.close();
    this.#model = null;
  }

  /** @returns {Answer} */
  #phrase(prediction) {
    const { info } = this;
    return {
      ...phraseAnswer(info, prediction),
      recipe: info.recipe,
      from_pixels: false,
      where: "device",
      is_packed: info.isPacked,
      milliseconds: prediction.milliseconds.total,
      token: this.#options.taught ? null : encodeLink(info, prediction),
    };
  }
}

/** Return a device's answer for share links, as `model/answer/share_link.py`, but not signed. */
export function encodeLink({ labels }, { model, version, graph, known, plausible, candidates }) {
  const pairs = candidates
    .slice(0, MAX_LABELS)
    .map(({ label, probability: p }) => `${labels.indexOf(label)}-${roundHalfEven(p * 1000)}`);
  const letters = graph === "small" ? "ws" : "w";
  const isKnown = known === null ? "x" : known ? "y" : "n";
  const size = plausible ? Math.min(99, plausible.length) : "x";
  return [model, version, letters, isKnown, size, pairs.join("_")].join("~");
}
