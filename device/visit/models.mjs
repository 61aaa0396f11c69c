/** The models that can be chosen, and what answers photos by the chosen one. */

/** @import { Run } from "../types" */
/** @import { Model } from "../view/types" */
/** @import { Chosen, Host } from "./types" */

import { createIdentifier } from "./identifier.mjs";
import { openMadeHere } from "./made_here.mjs";

/** Names of models that are made on devices. */
const MADE_HERE = /^taught-/;

export class Models {
  /** Answers photos by the chosen model. */
  identifier = null;
  /** @type {Host} */
  #host;
  #madeHere;
  #onchange;
  /** Models that were ready on this device: the browser still has their files. */
  #ready = new Set();
  /** Models that were made here, also those that were deleted since. */
  #seen = new Set();
  /** The identifier that was prepared, and the one that was started. */
  #prepared = null;
  #started = null;

  /**
   * @param {Host} host
   * @param {() => void} onchange is called after each change of the models or of what answers
   */
  constructor(host, onchange) {
    this.#host = host;
    this.#onchange = onchange;
    this.#madeHere = openMadeHere(host.folder, onchange);
  }

  /** Settles once the models that were made here are known. */
  get known() {
    return this.#madeHere.ready;
  }

  /**
   * The app's models, then those that were made here.
   *
   * @returns {Model[]}
   */
  get all() {
    return [...this.#host.models, ...this.#madeHere.entries];
  }

  has(name) {
    return this.all.some((model) => model.name === name);
  }

  /** Return the model to choose with an entry: its own, if it can be chosen. */
  toShow(entry) {
    const model = entry?.answer?.prediction.model;
    return this.has(model) ? model : this.identifier.model;
  }

  /** Whether a model was here during this visit. */
  wasHere(name) {
    return this.#seen.has(name);
  }

  /** Whether a model is one that was made on another device, or is gone from this one. */
  isElsewhere(name) {
    return MADE_HERE.test(name) && !this.#madeHere.models.has(name);
  }

  /** Return the folder of a model's files: of one that was made here, its base's. */
  baseOf(name) {
    return this.#madeHere.baseOf(name) ?? name;
  }

  /** Whether the visitor may choose where a model's photos are answered. */
  isInBothPlaces(name) {
    return this.#host.server !== null && this.#mayDownload(name);
  }

  /**
   * Return what answers: the app's first model in place of one that isn't here, which then runs on
   * this device, so that nothing is sent unasked.
   *
   * @param {Chosen} chosen
   * @returns {{model: string, run: Run}}
   */
  resolve({ model: wanted, run }) {
    const model = this.has(wanted) ? wanted : this.#host.model;
    if (this.#madeHere.models.has(model)) return { model, run: "device" };
    if (!this.#mayDownload(model)) return { model, run: "server" };
    return { model, run: this.isElsewhere(wanted) ? "device" : run };
  }

  /** Return where a model answers, whatever the visitor permits; null if that may be either. */
  placeOf(name, run) {
    if (this.#madeHere.models.has(name) || !this.#host.server) return "device";
    if (!this.#mayDownload(name) || run === "server") return "server";
    if (this.#ready.has(name)) return "device";
    return run === "auto" && this.identifier.state.reason !== null ? "server" : null;
  }

  /**
   * Have the chosen model answer: another model, mode, graph or host needs another identifier.
   *
   * @param {Host} host
   * @param {Chosen} chosen
   * @param {boolean} isConnected whether the server can be reached
   */
  follow(host, chosen, isConnected) {
    this.#host = host;
    const { model, run } = this.resolve(chosen);
    const isMadeHere = this.#madeHere.models.has(model);
    if (isMadeHere) this.#seen.add(model);
    const api = host.api && chosen.engine === host.api.engine ? host.api.host : null;
    const wanted = { model, run, api, graph: isMadeHere ? "small" : (host.graph ?? "small") };
    const described = host.models.find(({ name }) => name === model)?.described ?? null;
    const renewed = { ...host.server, model, engine: chosen.engine };
    // Your model's photos are never sent.
    const server = host.server && !isMadeHere ? renewed : null;
    const previous = this.identifier;
    if (previous && Object.entries(wanted).every(([name, value]) => previous[name] === value)) {
      previous.setServer(server);
      previous.setDescribed(described);
      previous.setConnected(isConnected);
      return;
    }
    const folder = isMadeHere || this.#mayDownload(model) ? this.baseOf(model) : null;
    const identifier = createIdentifier({
      ...{ ...wanted, server, described, limits: host.limits },
      address: folder && `${host.folder}models/${folder}/`,
      taught: this.#madeHere.models.get(model),
    });
    identifier.setConnected(isConnected);
    identifier.onchange = () => {
      if (identifier.state.device === "ready") {
        this.#ready.add(model);
        this.#host.onReady?.(folder);
      }
      this.#onchange();
    };
    this.identifier = identifier;
    previous?.close();
  }

  /**
   * Begin to load what the identifier needs, once.
   *
   * @param {boolean} [isEarly] whether the model's files are for later
   */
  start(isEarly = false) {
    if (this.#started === this.identifier) return;
    if (isEarly && this.#prepared === this.identifier) return;
    this.#prepared = this.identifier;
    if (isEarly) return this.identifier.prepare();
    this.#started = this.identifier;
    this.identifier.start();
  }

  /** Delete a model that was made here, if the visitor wants that. */
  askToDelete(parent, name, onDeleted) {
    this.#madeHere.askToDelete(parent, name, onDeleted);
  }

  close() {
    this.#madeHere.close();
    this.identifier.close();
  }

  /** Whether the app offers a model for download. */
  #mayDownload(name) {
    return this.#host.models.some((one) => one.name === name && one.downloads);
  }
}
