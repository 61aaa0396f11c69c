/**
 * Answers photos on the device, on the app's server, or on either as the mode allows.
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

/** @import { Answer, ExplainOptions, OcclusionMap } from "../types" */
/** @import { IdentifierState } from "./types" */
/** @import { SocketServer } from "./socket_server.mjs" */

import { untilAborted } from "../engine/abort.mjs";
import { LoupeError } from "../engine/errors.mjs";
import { DeviceModel } from "./device_model.mjs";
import { canLoad, deviceFirst, PHOTO_CODES, serverFirst } from "./fallback.mjs";
import { Sender } from "./sender.mjs";
import { Server } from "./server.mjs";

const OFF = "This app keeps its models on the server, so they can't run on this device.";
const NOT_CHOSEN = "The model runs on the server, by choice.";
const SAVING = "This browser saves data, so the model isn't downloaded.";
const NO_SERVER = "This page has no server.";

/**
 * @param {object} options
 * @param {string | null} [options.model] its name
 * @param {string | null} [options.address] the folder with `model.json`; null: not on the device
 * @param {Server | SocketServer | {url: string, token: string, model: string, engine?: string} | null}
 *   [options.server] or the options of a `Server`; null: there is none
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
  #device;
  /** @type {Server | SocketServer | null} */
  #server = null;
  #sender = null;
  #described;
  #run;
  /** Of the server's answers. */
  #recipe = null;
  /** @type {Pick<IdentifierState, "server" | "isConnected">} */
  #state;

  /** @param {Parameters<typeof createIdentifier>[0]} options */
  constructor(options) {
    const { model = null, address = null, server = null, run = "auto", graph = "small" } = options;
    this.model = model;
    this.#address = address;
    const off = run === "server" ? NOT_CHOSEN : address === null ? OFF : null;
    this.#device = new DeviceModel({ address, graph, off }, () => this.#change());
    this.#run = run;
    this.#described = options.described ?? null;
    if (server) {
      this.#server = "url" in server ? new Server(server) : server;
      this.#sender = new Sender(this.#server, {
        limits: options.limits ?? null,
        worker: () => this.#device.worker,
        describe: (isChanged) => this.#describeServer(isChanged),
      });
    }
    this.#state = { server: server ? "ready" : "none", isConnected: true };
  }

  /** @returns {IdentifierState} */
  get state() {
    const next = this.#next();
    return { ...this.#device.state, ...this.#state, next, sends: this.#sender?.kind ?? null };
  }

  /** The model's preprocessing, from which `centreBox` tells what it sees; null until known. */
  get recipe() {
    return this.info?.recipe ?? this.#described?.recipe ?? this.#recipe;
  }

  /** Begin to load what the mode needs; again, if loading has failed. */
  start() {
    // A browser that is told to save data downloads nothing while a server answers.
    const isSaving = this.#run === "auto" && this.#server && navigator.connection?.saveData;
    if (isSaving) this.#device.skip(SAVING);
    else this.#device.start();
    this.#sender?.decide().then(() => this.#change());
    this.describe();
  }

  /** Wait until `state.sends` is known, if the next photo goes to the server. */
  async decided(signal) {
    if (this.#next() === "server") await untilAborted(this.#sender.decide(), signal);
  }

  /** Note whether the server can be reached. */
  setConnected(isConnected) {
    if (isConnected !== this.#state.isConnected) this.#change({ isConnected });
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
    if (!this.#device.isReady) this.info = described.labels ? described : null;
    this.#change();
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
    if (this.#run === "server") return this.#askServer(blob, options);
    const isHere = this.#run === "device" || options.place === "device";
    if (isHere || (!this.#server && !this.#device.isReady)) {
      await this.#device.loaded(options.signal);
      return this.#device.identify(blob, options);
    }
    const ways = {
      device: this.#device,
      askServer: this.#server && ((...given) => this.#askServer(...given)),
    };
    return (this.#device.isReady ? deviceFirst : serverFirst)(ways, blob, options);
  }

  /**
   * Identify the frames of a playing video, on the device alone.
   *
   * @param {HTMLVideoElement} video
   * @param {{top?: number, signal?: AbortSignal}} [options]
   * @returns {AsyncGenerator<object>} answers; it ends when the signal is aborted
   */
  watch(video, options = {}) {
    return this.#device.watch(video, options);
  }

  /**
   * Explain an answer where it was given. The photo of a device's answer is not sent; the device
   * also explains when the server doesn't.
   *
   * @param {Blob} blob the photo
   * @param {Answer} answer
   * @param {ExplainOptions} [options] the server reports no progress
   * @returns {Promise<OcclusionMap>}
   * @throws {LoupeError} or the signal's reason
   */
  async explain(blob, answer, options = {}) {
    const { signal } = options;
    const isHere = answer.where === "device" || this.#run === "device";
    if (isHere) return this.#device.explain(blob, answer, options);
    try {
      this.#throwIfNoServer();
      return await this.#sender.explain(blob, answer, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#run === "server" || PHOTO_CODES.has(error.code)) throw error;
      if (!(await canLoad(this.#device, signal))) throw error;
      return this.#device.explain(blob, answer, options);
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
  async correct({ answer, labels, photo }, { signal } = {}) {
    this.#throwIfNoServer();
    return this.#server.request("correction", { answer, labels, body: photo }, { signal });
  }

  /** End the worker and free its memory. */
  close() {
    this.onchange = null;
    this.#device.close();
  }

  #next() {
    if (this.#run !== "auto") return this.#run;
    if (this.#device.isReady || !this.#server) return "device";
    const isFailed = this.#state.server === "failed" || !this.#state.isConnected;
    return isFailed && this.#device.state.device === "loading" ? "device" : "server";
  }

  #change(changes = {}) {
    this.#state = { ...this.#state, ...changes };
    this.info = this.#device.info ?? this.info;
    this.onchange?.();
  }

  /** Return the model's labels and recipe, before and without its graph; null if unknown. */
  async describe() {
    if (this.info) return this.info;
    const info = await this.#fetchInfo().catch(() => null);
    if (info && !this.info) {
      this.info = info;
      this.#change();
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

  async #askServer(blob, options) {
    try {
      this.#throwIfNoServer();
      const answer = await this.#sender.identify(blob, options);
      this.#recipe = answer.recipe;
      this.#change({ server: "ready" });
      return answer;
    } catch (error) {
      if (error instanceof LoupeError) {
        this.#change({ server: PHOTO_CODES.has(error.code) ? "ready" : "failed" });
      }
      throw error;
    }
  }

  #throwIfNoServer() {
    if (!this.#server) throw new LoupeError("unreachable", NO_SERVER);
  }
}
