/**
 * Answers photos on the device, on the app's server, or on whichever of the two can.
 *
 *     const identifier = createIdentifier({ address: "models/clothing/", server: null, run: "auto" });
 *     identifier.onchange = () => show(identifier.state);
 *     identifier.start();
 *     const answer = await identifier.identify(blob);
 *
 * - `device`: the device alone. Photos are never sent, except with a correction, with consent.
 * - `server`: the server alone.
 * - `auto`: the device once its files are there, and the server meanwhile; the server when the
 *   device can't run the model; the device when the server doesn't answer.
 *
 * What the server gets is said before the photo, by `state`. For more, such as a file that the
 * browser can't read, the caller is asked.
 */

import { pause, untilAborted } from "../engine/abort.mjs";
import { LoupeError } from "../engine/errors.mjs";
import { ModelWorker, load } from "../loupe.mjs";
import { certaintyRule, formatPercent, headline, honestLines, isSure } from "./phrasing.mjs";
import { mayServerRead, noteSent, Sender } from "./sender.mjs";
import { Server } from "./server.mjs";
import { encodeLink } from "./share_link.mjs";

/** Time for the server to answer once the device could, in milliseconds. */
const PATIENCE_MS = 4000;

/** Codes about the photo itself, which the other way would return as well. */
const PHOTO_CODES = new Set([
  "missing",
  "empty",
  "too-large",
  "too-small",
  "too-many-pixels",
  "unsupported-format",
  "damaged",
  "invalid",
]);

const OFF = "This app keeps its models on the server, so they can't run on this device.";
const CLOSED = "The model was closed.";
const SAVING = "This browser saves data, so the model isn't downloaded.";
const NOT_CHOSEN = "The model runs on the server, by choice.";
const OTHER_MODEL = "Another model gave this answer. Open it again to see why.";
const NO_SERVER = "This page has no server.";

/**
 * @param {object} options
 * @param {string | null} [options.model] its name
 * @param {string | null} [options.address] the folder with `model.json`; null: not on the device
 * @param {Server | import("./socket_server.mjs").SocketServer |
 *   {url: string, token: string, model: string, engine?: string} | null} [options.server]
 *   or the options of a `Server`; null: there is none
 * @param {"auto" | "device" | "server"} [options.run]
 * @param {"small" | "full"} [options.graph]
 * @param {import("../types").Limits | null} [options.limits] of photos; without them the server gets
 *   files, not pixels
 * @param {{version: string, recipe: import("../types").Recipe} | null} [options.described] what
 *   pixels are made by; fetched if it isn't given
 */
export function createIdentifier(options) {
  return new Identifier(options);
}

class Identifier {
  /** Called after each change of `state`, `info` or `recipe`. */
  onchange = null;
  /** Name, title, labels, language and recipe of the model; null until they are known. */
  info = null;

  /** The model's name, or null. */
  model;

  #address;
  #server;
  #sender = null;
  #described;
  #run;
  #graph;
  #model = null;
  /** The worker, in which pixels are made before and without the model. */
  #worker = null;
  /** Of the server's answers. */
  #recipe = null;
  /** Settles when the device can answer, or can't; null before it loads. */
  #loading = null;
  #closing = new AbortController();
  /** @type {Omit<import("./types").IdentifierState, "next" | "sends">} */
  #state;

  /** @param {Parameters<typeof createIdentifier>[0]} options */
  constructor(options) {
    const { model = null, address = null, server = null, run = "auto", graph = "small" } = options;
    this.model = model;
    this.#address = address;
    this.#server = server && ("identify" in server ? server : new Server(server));
    this.#run = run;
    this.#graph = graph;
    this.#described = options.described ?? null;
    if (this.#server) {
      this.#sender = new Sender(this.#server, {
        limits: options.limits ?? null,
        worker: () => this.#startedWorker(),
        describe: (isChanged) => this.#describeServer(isChanged),
      });
    }
    this.#state = {
      device: "off",
      loaded: 0,
      total: 0,
      reason: address === null ? OFF : null,
      code: null,
      server: server ? "ready" : "none",
      isConnected: true,
    };
  }

  /**
   * `device`: "off", "loading", "ready" or "failed"; `loaded` of `total` bytes; `reason` why the
   * device doesn't answer, or null, and `code` of its error; `server`: "ready", "failed" or "none";
   * `next`: "device" or "server", which the next photo goes to; `sends`: what the server gets of it,
   * "pixels" or "file", null until known; `isConnected`: false while the server is gone.
   *
   * @returns {import("./types").IdentifierState}
   */
  get state() {
    return { ...this.#state, next: this.#next(), sends: this.#sender?.kind ?? null };
  }

  /** The model's preprocessing, from which `centreBox` tells what it sees; null until known. */
  get recipe() {
    return this.info?.recipe ?? this.#described?.recipe ?? this.#recipe;
  }

  /** Begin to load what the mode needs; again, if loading has failed. */
  start() {
    const isWanted = this.#run !== "server" && this.#address !== null && !this.#model;
    if (isWanted && this.#savesData()) this.#set({ reason: SAVING });
    else if (isWanted && this.#state.device !== "loading") this.#load();
    this.#sender?.decide().then(() => this.#set({}));
    this.describe();
  }

  /** Wait until `state.sends` is known, if the next photo goes to the server. */
  async decided(signal) {
    if (this.#next() === "server") await untilAborted(this.#sender.decide(), signal);
  }

  /** Note whether the server can be reached. */
  setConnected(isConnected) {
    if (isConnected !== this.#state.isConnected) this.#set({ isConnected });
  }

  /** Use a new token, model or engine of the server. */
  setServer(server) {
    this.#server?.update(server);
  }

  /** Follow the server's model to another version; null leaves it. */
  setDescribed(described) {
    if (!described || described.version === this.#described?.version) return;
    this.#described = described;
    // What runs here stays what it is.
    if (!this.#model) this.info = described.labels ? described : null;
    this.#set({});
    this.describe();
  }

  /**
   * Identify a photo.
   *
   * @param {Blob} blob
   * @param {object} [given]
   * @param {number} [given.top] number of candidates, 5 by default
   * @param {AbortSignal} [given.signal]
   * @param {(sent: number, total: number) => void} [given.onProgress] bytes that were sent
   * @param {(error: LoupeError) => Promise<boolean>} [given.ask] whether the server may get more
   *   than `state` said, because of this error; without it, it doesn't
   * @param {"device" | "any" | null} [given.place] the device for this photo, once it is ready;
   *   otherwise as the mode has it
   * @returns {Promise<import("../types").Answer>}
   * @throws {LoupeError} with `sent` if the photo had been sent, or the signal's reason
   */
  async identify(blob, given = {}) {
    // Without a server, there is nothing to ask.
    const options = this.#state.isConnected ? given : { ...given, ask: undefined };
    if (this.#run === "server") return this.#onServer(blob, options);
    const isHere = this.#run === "device" || options.place === "device";
    if (isHere || (!this.#server && !this.#model)) {
      await this.#loaded(options.signal);
      return this.#onDevice(blob, options);
    }
    return this.#model ? this.#deviceFirst(blob, options) : this.#serverFirst(blob, options);
  }

  /**
   * Identify the frames of a playing video, on the device alone.
   *
   * @param {HTMLVideoElement} video
   * @param {{top?: number, signal?: AbortSignal}} [options]
   * @returns {AsyncGenerator<object>} answers; it ends when the signal is aborted
   */
  async *watch(video, options = {}) {
    await this.#loaded(options.signal);
    for await (const prediction of this.#model.watch(video, options)) {
      yield this.#phrase(prediction);
    }
  }

  /**
   * Explain an answer where it was given. The photo of a device's answer is not sent; the device
   * also explains when the server doesn't.
   *
   * @param {Blob} blob the photo
   * @param {object} answer
   * @param {import("../types").ExplainOptions} [options] the server reports no progress
   * @returns {Promise<{rows: number, columns: number, heat: Float32Array}>} how much each region of
   *   what the model sees matters, row by row, 0 to 1
   * @throws {LoupeError} or the signal's reason
   */
  async explain(blob, answer, options = {}) {
    const { signal } = options;
    const isHere = answer.where === "device" || this.#run === "device";
    if (isHere) return this.#explainHere(blob, answer, options);
    try {
      this.#serverOrThrow();
      return await this.#sender.explain(blob, answer, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#run === "server" || PHOTO_CODES.has(error.code)) throw error;
      if (!(await this.#canLoad(signal))) throw error;
      return this.#explainHere(blob, answer, options);
    }
  }

  /**
   * Save what a photo shows, on the server.
   *
   * @param {{answer: import("../types").Answer, labels: string[], photo?: Blob | null}} correction
   *   with the photo only if the visitor agreed to send it
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<{number: number}>} by which the owner can delete it
   */
  async correct(correction, options = {}) {
    return this.#serverOrThrow().correct(correction, options);
  }

  /** End the worker and free its memory. */
  close() {
    this.#closing.abort(new LoupeError("engine-unavailable", CLOSED));
    this.#worker?.close();
    this.#model = null;
  }

  #startedWorker() {
    this.#closing.signal.throwIfAborted();
    if (!this.#worker || this.#worker.isClosed) this.#worker = new ModelWorker();
    return this.#worker;
  }

  async #explainHere(blob, { prediction }, options) {
    await this.#loaded(options.signal);
    if (prediction.model !== this.info.name) {
      throw new LoupeError("engine-unavailable", OTHER_MODEL);
    }
    return this.#model.explain(blob, options);
  }

  #next() {
    if (this.#run !== "auto") return this.#run;
    if (this.#model || !this.#server) return "device";
    const { device, isConnected, server } = this.#state;
    const isFailed = server === "failed" || !isConnected;
    return isFailed && device === "loading" ? "device" : "server";
  }

  #set(changes) {
    if (this.#closing.signal.aborted) return;
    this.#state = { ...this.#state, ...changes };
    this.onchange?.();
  }

  /** Return whether the browser is told to save data, and a server answers without a download. */
  #savesData() {
    return this.#run === "auto" && this.#server !== null && Boolean(navigator.connection?.saveData);
  }

  #load() {
    // A runtime that failed once fails again.
    if (this.#state.device === "failed") this.#worker?.close();
    this.#set({ device: "loading", loaded: 0, total: 0, reason: null, code: null });
    this.#loading = this.#loadModel();
    this.#loading.catch(() => {});
  }

  async #loadModel() {
    const onProgress = (loaded, total) => this.#set({ loaded, total });
    const options = { graph: this.#graph, onProgress, signal: this.#closing.signal };
    try {
      this.#model = await load(this.#address, { ...options, worker: this.#startedWorker() });
    } catch (error) {
      this.#set({ device: "failed", reason: error.message, code: error.code });
      throw error;
    }
    this.info = this.#model.info;
    this.#set({ device: "ready" });
  }

  /** Return the model's labels and recipe, before and without its graph; null if unknown. */
  async describe() {
    if (this.info) return this.info;
    const info = await this.#fetchInfo().catch(() => null);
    if (info && !this.info) {
      this.info = info;
      this.#set({});
    }
    return this.info;
  }

  async #describeServer(isChanged) {
    if (isChanged) this.setDescribed(await this.#server.describe());
    return (this.#described ??= await this.describe());
  }

  async #fetchInfo() {
    if (this.#server) return this.#server.describe();
    const response = await fetch(new URL("model.json", new URL(this.#address, document.baseURI)));
    return response.ok ? response.json() : null;
  }

  /** Wait until the device is ready. */
  async #loaded(signal) {
    if (this.#address === null) throw new LoupeError("engine-unavailable", OFF);
    if (this.#run === "server") throw new LoupeError("engine-unavailable", NOT_CHOSEN);
    this.#closing.signal.throwIfAborted();
    if (!this.#model && this.#state.device !== "loading") this.#load();
    await untilAborted(this.#loading, signal);
  }

  async #deviceFirst(blob, options) {
    try {
      return await this.#onDevice(blob, options);
    } catch (error) {
      if (!this.#server || !(await mayServerRead(blob, error))) throw error;
      if (!(await options.ask?.(error))) throw error;
      try {
        return await this.#onServer(blob, { ...options, ask: async () => true });
      } catch (second) {
        options.signal?.throwIfAborted();
        if (PHOTO_CODES.has(second.code)) throw second;
        throw Object.assign(error, { sent: second.sent });
      }
    }
  }

  async #serverFirst(blob, options) {
    const { signal } = options;
    const stop = new AbortController();
    const abort = () => stop.abort(signal.reason);
    signal?.addEventListener("abort", abort);
    let hasAsked = false;
    if (this.#loading) {
      const patience = pause(PATIENCE_MS, stop.signal);
      Promise.all([this.#loading, patience]).then(
        // Whoever is asked has time.
        () => hasAsked || stop.abort(),
        () => {},
      );
    }
    const ask = async (error) => {
      hasAsked = true;
      return Boolean(await options.ask?.(error));
    };
    try {
      signal?.throwIfAborted();
      return await this.#onServer(blob, { ...options, ask, signal: stop.signal });
    } catch (error) {
      signal?.throwIfAborted();
      // What is asked about can't be read here.
      if (hasAsked || PHOTO_CODES.has(error.code)) throw error;
      if (!(await this.#canLoad(signal))) throw error;
      const answering = this.#onDevice(blob, options);
      // The server got it all the same.
      return await (error.sent ? noteSent(() => error.sent, answering) : answering);
    } finally {
      signal?.removeEventListener("abort", abort);
      stop.abort();
    }
  }

  /** Return whether the device can answer, once that is known. */
  async #canLoad(signal) {
    try {
      await this.#loaded(signal);
      return true;
    } catch {
      signal?.throwIfAborted();
      return false;
    }
  }

  /**
   * @param {Blob} blob
   * @param {{top?: number, signal?: AbortSignal}} options
   */
  async #onDevice(blob, { top, signal }) {
    try {
      return this.#phrase(await untilAborted(this.#model.identify(blob, { top }), signal));
    } catch (error) {
      if (error.code === "engine-unavailable") {
        // The worker has ended because memory ran out.
        this.#model = null;
        this.#set({ device: "failed", reason: error.message, code: error.code });
      }
      throw error;
    }
  }

  #phrase(prediction) {
    const { info } = this.#model;
    return {
      prediction,
      headline: headline(info, prediction),
      lines: honestLines(info, prediction),
      certainty: certaintyRule(info, prediction).certainty,
      sure: isSure(info, prediction),
      language: info.language,
      percents: prediction.candidates.map(({ probability }) => formatPercent(info, probability)),
      recipe: info.recipe,
      from_pixels: false,
      where: /** @type {const} */ ("device"),
      milliseconds: prediction.milliseconds.total,
      token: encodeLink(info, prediction),
    };
  }

  async #onServer(blob, options) {
    try {
      this.#serverOrThrow();
      const answer = await this.#sender.identify(blob, options);
      this.#recipe = answer.recipe;
      this.#set({ server: "ready" });
      return answer;
    } catch (error) {
      if (error instanceof LoupeError) {
        this.#set({ server: PHOTO_CODES.has(error.code) ? "ready" : "failed" });
      }
      throw error;
    }
  }

  #serverOrThrow() {
    if (!this.#server) throw new LoupeError("unreachable", NO_SERVER);
    return this.#server;
  }
}
