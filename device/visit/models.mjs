/**
 * The models that can be chosen, and the identifier of the chosen one. The browser keeps models
 * that were made on this device below the address of `device/`, so that the app and `/device/` have
 * the same. Where "Teach" was never opened, nothing of it is loaded.
 */

import { Identifier } from "./identifier.mjs";
import { openChannel } from "./recents.mjs";

/** Names of models made on a device. */
const MADE_HERE = /^taught-/;

export class Models {
  identifier = null;
  /** Models made on this device that were used during this visit, including those deleted since. */
  seen = new Set();
  /** Resolves once the models made on this device are known. */
  known;
  /** @type {Map<string, TaughtModel>} Models made on this device, by name. */
  #madeHere = new Map();
  /** The project on this device: its labels, its model, and all models that it has had. */
  #project = { labels: [], model: "", versions: [] };
  #prefix;
  #channel;
  /** @type {Host} */
  #host;
  #onchange;
  /** Models that have been ready on this device, so that the browser has their files. */
  #ready = new Set();
  /** The identifier that was prepared, and the one that was started. */
  #prepared = null;
  #started = null;

  /** `onchange` is called when the models or the identifier change. @param {Host} host */
  constructor(host, onchange) {
    this.#host = host;
    this.#onchange = onchange;
    this.#prefix = new URL(host.folder, document.baseURI).pathname;
    // The store's own: it tells of each change.
    this.#channel = openChannel(this.#storeName, () => this.#readMadeHere());
    this.known = this.#readMadeHere();
  }

  /** The app's models, then those made on this device. @returns {Model[]} */
  get all() {
    const madeHere = Array.from(this.#madeHere, ([name, { manifest }]) => {
      const { labels, language, title } = manifest;
      const last = labels.length - 1;
      const before = (at) => (at === last ? " and " : ", ");
      const knows = labels.flatMap((label, at) => [at ? before(at) : "", { label }]);
      const fixed = { count: labels.length, samples: [], isMadeHere: true };
      return { name, title, language, knows, ...fixed };
    });
    return [...this.#host.models, ...madeHere];
  }

  has = (name) => this.all.some((model) => model.name === name);

  /** Return the model to select with an entry: its answer's if available, else the current one. */
  toShow(entry) {
    const model = this.#latest(entry?.answer?.prediction.model);
    return this.has(model) ? model : this.identifier.model;
  }

  isMissing = (name) => !this.has(this.#latest(name));

  /** Return whether a model was made on another device, or was deleted from this one. */
  isElsewhere = (name) => MADE_HERE.test(name) && this.isMissing(name);

  /** Return the project's labels if its current model is chosen, and it has made `name`; or null. */
  labelsOf(name) {
    const { labels, model, versions = [model] } = this.#project;
    return versions.includes(name) && this.identifier.model === model ? labels : null;
  }

  /** Change the chosen model's project, in one tab at a time: each trains on all that was added. */
  async train(change, signal) {
    const { device } = this.identifier;
    const projectModel = await import("../teach/project.mjs");
    const run = async () => {
      signal?.throwIfAborted();
      const base = await device.loaded(signal);
      const work = (store) => change(projectModel, base, store);
      return this.#useStore(work).finally(() => this.#readMadeHere());
    };
    return navigator.locks ? navigator.locks.request(this.#storeName, { signal }, run) : run();
  }

  /** Return the folder of a model's files; a model made on this device uses its base model's. */
  baseOf(name) {
    return this.#madeHere.get(name)?.manifest.base.name ?? name;
  }

  isInBothPlaces(name) {
    return this.#host.server !== null && this.#mayDownload(name);
  }

  /**
   * Return the model and mode to use. The app's default replaces a missing model; if that was made
   * on a device, the default runs on this device, so that nothing is sent unasked.
   *
   * @type {(chosen: Pick<Chosen, "model" | "run">) => {model: string, run: Run}}
   */
  resolve({ model: wanted, run }) {
    const latest = this.#latest(wanted);
    const model = this.has(latest) ? latest : this.#host.model;
    if (this.#madeHere.has(model)) return { model, run: "device" };
    if (!this.#mayDownload(model)) return { model, run: "server" };
    return { model, run: this.isElsewhere(wanted) ? "device" : run };
  }

  /** Return where a model identifies photos in a mode; null if that depends on the visitor. */
  placeOf(name, run) {
    if (this.#madeHere.has(name) || !this.#host.server) return "device";
    if (!this.#mayDownload(name) || run === "server") return "server";
    if (this.#ready.has(name)) return "device";
    return run === "auto" && this.identifier.state.reason !== null ? "server" : null;
  }

  /**
   * Follow the visitor's choice: another model, mode, graph or host needs another identifier,
   * except for a later version of your own model.
   *
   * @type {(host: Host, chosen: Chosen, isConnected: boolean) => void}
   */
  follow(host, chosen, isConnected) {
    this.#host = host;
    const { model, run } = this.resolve(chosen);
    const isMadeHere = this.#madeHere.has(model);
    if (isMadeHere) this.seen.add(model);
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
    if (isMadeHere && previous?.device.isReady && this.#latest(previous.model) === model) {
      previous.model = model;
      return previous.device.setTaught(this.#madeHere.get(model));
    }
    const folder = isMadeHere || this.#mayDownload(model) ? this.baseOf(model) : null;
    const identifier = new Identifier({
      ...{ ...wanted, server, described, limits: host.limits },
      address: folder && `${host.folder}models/${folder}/`,
      taught: this.#madeHere.get(model),
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
   * Start the identifier, unless it has been started; `isEarly` leaves the model's files for later.
   */
  start(isEarly = false) {
    if (this.#started === this.identifier) return;
    if (isEarly && this.#prepared === this.identifier) return;
    this.#prepared = this.identifier;
    if (isEarly) return this.identifier.prepare();
    this.#started = this.identifier;
    this.identifier.start();
  }

  async askToDelete(parent, name, onDeleted) {
    const { openMenu } = await import("../view/teach_parts.mjs");
    const { title } = this.#madeHere.get(name).manifest;
    const line = "It is only in this browser. A file that you saved of it stays.";
    const remove = async () => {
      await this.#useStore((store) => store.setModel(name, null));
      await this.#readMadeHere();
      onDeleted();
    };
    openMenu(parent, `Delete “${title}”?`, line, [["Delete it", "trash", remove]]);
  }

  close() {
    this.#onchange = () => {};
    this.#channel?.close();
    this.identifier.close();
  }

  #mayDownload(name) {
    return this.#host.models.some((one) => one.name === name && one.downloads);
  }

  get #storeName() {
    return `loupe-teach:${this.#prefix}`;
  }

  /** Return the name of a model after later trainings of its project. */
  #latest(name) {
    const { model, versions } = this.#project;
    return versions?.includes(name) && !this.#madeHere.has(name) ? model : name;
  }

  async #readMadeHere() {
    // Private windows may keep nothing.
    const read = async (store) => [await store.models(), await store.names()];
    const kept = await this.#useStore(read).catch(() => null);
    if (kept) [this.#madeHere, this.#project] = kept;
    this.#onchange();
  }

  async #useStore(work) {
    const kept = await indexedDB.databases();
    if (!kept.some(({ name }) => name === this.#storeName)) return null;
    const { openStore } = await import("../teach/store.mjs");
    const store = await openStore({ prefix: this.#prefix });
    return work(store).finally(() => store.close());
  }
}
