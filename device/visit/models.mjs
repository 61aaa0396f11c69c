/** The models that can be chosen, and the identifier of the chosen one. */

/** @import { Run } from "../types" */
/** @import { Model } from "../view/types" */
/** @import { Chosen, Host } from "./types" */

import { createIdentifier } from "./identifier.mjs";
import { openMadeHere } from "./made_here.mjs";

/** Names of models made on a device. */
const MADE_HERE = /^taught-/;

export class Models {
  /** Identifies photos with the chosen model. */
  identifier = null;
  /** @type {Host} */
  #host;
  #madeHere;
  #onchange;
  /** Models that have been ready on this device, so that the browser has their files. */
  #ready = new Set();
  /** Models made on this device, including those deleted since. */
  #seen = new Set();
  /** The identifier that was prepared, and the one that was started. */
  #prepared = null;
  #started = null;

  /**
   * @param {Host} host
   * @param {() => void} onchange called when the models or the identifier change
   */
  constructor(host, onchange) {
    this.#host = host;
    this.#onchange = onchange;
    this.#madeHere = openMadeHere(host.folder, onchange);
  }

  /** Resolves once the models made on this device are known. */
  get known() {
    return this.#madeHere.ready;
  }

  /**
   * The app's models, then those made on this device.
   *
   * @returns {Model[]}
   */
  get all() {
    return [...this.#host.models, ...this.#madeHere.entries];
  }

  has(name) {
    return this.all.some((model) => model.name === name);
  }

  /** Return the model to select with an entry: its answer's if available, else the current one. */
  toShow(entry) {
    const model = entry?.answer?.prediction.model;
    return this.has(model) ? model : this.identifier.model;
  }

  /** Return whether a model made on this device was used during this visit. */
  wasHere(name) {
    return this.#seen.has(name);
  }

  /** Return whether a model was made on another device, or was deleted from this one. */
  isElsewhere(name) {
    return MADE_HERE.test(name) && !this.#madeHere.models.has(name);
  }

  /** Return the folder of a model's files; a model made on this device uses its base model's. */
  baseOf(name) {
    return this.#madeHere.baseOf(name) ?? name;
  }

  /** Return whether a model can run both on this device and on the server. */
  isInBothPlaces(name) {
    return this.#host.server !== null && this.#mayDownload(name);
  }

  /**
   * Return the model and mode to use. The app's default replaces a missing model; if that was made
   * on a device, the default runs on this device, so that nothing is sent unasked.
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

  /** Return where a model identifies photos in a mode; null if that depends on the visitor. */
  placeOf(name, run) {
    if (this.#madeHere.models.has(name) || !this.#host.server) return "device";
    if (!this.#mayDownload(name) || run === "server") return "server";
    if (this.#ready.has(name)) return "device";
    return run === "auto" && this.identifier.state.reason !== null ? "server" : null;
  }

  /**
   * Follow the visitor's choice: another model, mode, graph or host needs another identifier.
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
    // Photos for a model made on this device are never sent.
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
   * Start the identifier, unless it has been started.
   *
   * @param {boolean} [isEarly] true to leave the model's files for later
   */
  start(isEarly = false) {
    if (this.#started === this.identifier) return;
    if (isEarly && this.#prepared === this.identifier) return;
    this.#prepared = this.identifier;
    if (isEarly) return this.identifier.prepare();
    this.#started = this.identifier;
    this.identifier.start();
  }

  /** Delete a model made on this device, if the visitor confirms. */
  askToDelete(parent, name, onDeleted) {
    this.#madeHere.askToDelete(parent, name, onDeleted);
  }

  close() {
    this.#madeHere.close();
    this.identifier.close();
  }

  /** Return whether the app offers a model for download. */
  #mayDownload(name) {
    return this.#host.models.some((one) => one.name === name && one.downloads);
  }
}
