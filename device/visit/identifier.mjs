/**
 * Answers photos on the device, on the app's server, or on either as the mode allows.
 *
 *     const identifier = new Identifier({ address: "models/clothing/", server: null, run: "auto" });
 *     identifier.onchange = () => show(identifier.state);
 *     identifier.start();
 *     const answer = await identifier.identify(blob);
 *
 * - `device`: the device alone. Photos are never sent, except with a correction, with consent.
 * - `server`: the server alone.
 * - `auto`: the device once its files are there, and the server meanwhile; the server when the
 *   device can't run the model; the device when the server doesn't answer.
 *
 * `state` says what the server gets before a photo is sent. What exceeds a photo's permission, such
 * as a file that the browser can't read, is refused.
 */

import { untilAborted } from "../engine/abort.mjs";
import { fetchModel } from "../engine/download.mjs";
import { LoupeError, PHOTO_CODES } from "../engine/errors.mjs";
import { DeviceModel } from "./device_model.mjs";
import { canLoad, deviceFirst, serverFirst } from "./fallback.mjs";
import { everSent, NotPermitted, Outgoing, tellSent } from "./outgoing.mjs";

const OFF = "This app keeps its models on the server, so they can’t run on this device.";
const SAVING = "Data saver is on, so the model isn’t downloaded. Choose “This device” to do so.";
const NOT_CHOSEN = "The model runs on the server, by choice.";

export class Identifier {
  /** Called after each change of `state`, `info` or `recipe`. */
  onchange = null;

  model;
  device;

  #address;
  /** @type {Outgoing | null} The way to the server, or null. */
  server = null;
  /** What the server says of its model, or the folder where there is no server. */
  #described;
  /** @type {Pick<IdentifierState, "server" | "isConnected">} */
  #state;

  /**
   * @param {object} options
   * @param {string | null} [options.model] its name
   * @param {string | null} [options.address] the folder with `model.json`; null: not on the device
   * @param {ConstructorParameters<typeof Outgoing>[0] | null} [options.server] null: there is none
   * @param {"auto" | "device" | "server"} [options.run]
   * @param {"small" | "full"} [options.graph]
   * @param {string | null} [options.api] the host to which the server passes photos
   * @param {TaughtModel} [options.taught] your model; `address` is its base's
   * @param {Limits | null} [options.limits] of photos; without them the server gets
   *   files, not pixels
   * @param {Described | null} [options.described] what pixels are made by; fetched
   *   if it isn't given
   */
  constructor(options) {
    const { address = null, server = null, run = "auto", graph = "small" } = options;
    const { model = null, taught } = options;
    this.model = model;
    this.run = run;
    this.graph = graph;
    this.api = options.api ?? null;
    this.#address = address;
    const off = run === "server" ? NOT_CHOSEN : address === null ? OFF : null;
    this.device = new DeviceModel({ address, graph, taught, off }, () => this.#change());
    this.#described = options.described ?? null;
    if (server) {
      this.server = new Outgoing(server, {
        model,
        host: this.api,
        limits: options.limits ?? null,
        worker: () => this.device.worker,
        describe: async (isChanged) =>
          (isChanged ? null : this.#described) ?? this.#fetchDescribed(),
      });
    }
    this.#state = { server: server ? "ready" : "none", isConnected: true };
  }

  /** @returns {IdentifierState} */
  get state() {
    const next = this.#next();
    return { ...this.device.state, ...this.#state, next, sends: this.server?.kind ?? null };
  }

  /** Version and recipe of the model, in time also its name, title and labels; null until known. */
  get info() {
    return this.device.info ?? this.#described;
  }

  /** The model's preprocessing, from which `centreBox` tells what it sees; null until known. */
  get recipe() {
    return this.info?.recipe ?? null;
  }

  /** Find out what will be sent, and fetch the model's description. */
  prepare() {
    this.server?.prepare();
    this.server?.decide().then(() => this.#change());
    if (!this.info) this.describe();
  }

  /** Begin to load what the mode needs; again, if loading has failed. */
  start() {
    // A browser that is told to save data downloads nothing while a server answers.
    const isSaving = this.run === "auto" && this.server && navigator.connection?.saveData;
    if (isSaving) this.device.skip(SAVING, "data-saver");
    else this.device.start();
    this.prepare();
  }

  /** Wait until `state.sends` is known, if the next photo goes to the server. */
  async decided(signal) {
    if (this.#next() === "server") await untilAborted(this.server.decide(), signal);
  }

  setConnected(isConnected) {
    if (isConnected !== this.#state.isConnected) this.#change({ isConnected });
  }

  setServer = (server) => this.server?.update(server);

  /** Follow the server's model to another version; null leaves it. What runs here stays. */
  setDescribed(described) {
    if (!described || described.version === this.#described?.version) return;
    this.#described = described;
    this.#change();
  }

  /** Return `info` with the labels, before and without the graph; null if that fails. */
  async describe() {
    return this.info?.labels ? this.info : this.#fetchDescribed();
  }

  /** Return whether the server answers or, where there is none, the network is there. */
  async canReach() {
    return this.server ? this.server.describe().then(Boolean, () => false) : navigator.onLine;
  }

  /** Return title and recipe of the model, and the bytes of its download; null if that fails. */
  async about(hasRuntime = false) {
    if (this.#address === null) return this.describe();
    const info = await this.#fetchModelJson().catch(() => null);
    if (!info) return null;
    const { bytes, golden, network } = info.graphs.small;
    const runtime = network || hasRuntime ? 0 : (info.runtime?.bytes ?? 0);
    const all = (network?.bytes ?? bytes) + golden.bytes + runtime;
    return { title: info.title, recipe: info.recipe, bytes: all };
  }

  /**
   * Identify a photo.
   *
   * @param {Blob} blob
   * @param {object} [given]
   * @param {number} [given.top] number of candidates, 5 by default
   * @param {AbortSignal} [given.signal]
   * @param {Permission} [given.permission] what the server may get
   * @param {(place: Place) => void} [given.onPlace] called if the photo waits for the device, and
   *   once sending begins
   * @param {"device" | null} [given.place] the device for this photo, once it is ready; otherwise
   *   as the mode has it
   * @returns {Promise<Answer>} with what was sent of the photo since its last answer
   * @throws {NotPermitted | LoupeError} or the signal's reason; `sentOf` tells what was sent
   */
  async identify(blob, given = {}) {
    const answer = await this.#identify(blob, given);
    const isUnknown = everSent(blob) === null;
    return { ...answer, sent: tellSent(blob) ?? (isUnknown ? null : undefined) };
  }

  async #identify(blob, options) {
    if (this.run === "server") return this.#askServer(blob, options);
    const isHere = this.run === "device" || options.place === "device";
    const isWaiting = isHere || (this.#next() === "device" && !this.device.isReady);
    if (isWaiting) {
      options.onPlace?.("device");
      await this.device.loaded(options.signal);
    }
    const server = this.run === "device" ? null : this.server;
    const askServer = (...given) => {
      // The page said that the photo stays here, so it asks first.
      if (isWaiting) throw new NotPermitted("file", given[1].cause);
      return this.#askServer(...given);
    };
    const answer = this.device.isReady ? deviceFirst : serverFirst;
    return answer(this.device, server && askServer, blob, options, server);
  }

  /** Identify the frames of a playing video, on the device alone, until the signal is aborted. */
  watch = (video, options = {}) => this.device.watch(video, options);

  /**
   * Explain an answer where it was given. The photo of a device's answer is not sent; the device
   * also explains when the server doesn't. The server reports no progress.
   *
   * @type {(blob: Blob, answer: Answer, options?: ExplainOptions & {permission?: Permission}) =>
   *   Promise<OcclusionMap>}
   * @throws {LoupeError} or the signal's reason
   */
  async explain(blob, answer, options = {}) {
    const { signal } = options;
    const isHere = answer.where === "device" || this.run === "device" || !this.server;
    if (isHere) return this.device.explain(blob, answer, options);
    try {
      return await this.server.explain(blob, answer, options);
    } catch (error) {
      signal?.throwIfAborted();
      if (this.run === "server" || PHOTO_CODES.has(error.code)) throw error;
      if (!(await canLoad(this.device, signal))) throw error;
      return this.device.explain(blob, answer, options);
    }
  }

  close() {
    this.onchange = null;
    this.device.close();
  }

  #next() {
    if (this.run !== "auto") return this.run;
    if (this.device.isReady || !this.server) return "device";
    const { device, isStalled } = this.device.state;
    const isFailed = this.#state.server === "failed" || !this.#state.isConnected || isStalled;
    return isFailed && device === "loading" ? "device" : "server";
  }

  #change(changes = {}) {
    this.#state = { ...this.#state, ...changes };
    this.onchange?.();
  }

  async #fetchDescribed() {
    const fetched = this.server ? this.server.describe() : this.#fetchModelJson();
    const described = await fetched.catch(() => null);
    if (!described) return null;
    this.#described = described;
    this.#change();
    return described;
  }

  /** Fetch `model.json`, which the app may first have to make. */
  async #fetchModelJson() {
    return fetchModel(new URL(this.#address, document.baseURI).href);
  }

  async #askServer(blob, options) {
    try {
      const answer = await this.server.identify(blob, options);
      this.#change({ server: "ready" });
      return answer;
    } catch (error) {
      if (error instanceof LoupeError) {
        this.#change({ server: PHOTO_CODES.has(error.code) ? "ready" : "failed" });
      }
      throw error;
    }
  }
}
