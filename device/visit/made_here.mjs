/**
 * The models that were made on this device, for the viewfinder's menu. The browser keeps them, below
 * the address of `device/`, so that the app and `/device/` have the same.
 *
 * Where "Teach" was never opened, nothing of it is loaded.
 */

import { openChannel } from "./recents.mjs";

/**
 * @param {string} folder address of `device/`
 * @param {() => void} onchange is called once the models are known, and after each change
 */
export function openMadeHere(folder, onchange) {
  return new MadeHere(folder, onchange);
}

class MadeHere {
  /**
   * Taught models by name.
   *
   * @type {Map<string, import("../types").TaughtModel>}
   */
  models = new Map();
  /** Settles once they are known. */
  ready;
  #prefix;
  #channel;
  #onchange;

  constructor(folder, onchange) {
    this.#onchange = onchange;
    this.#prefix = new URL(folder, document.baseURI).pathname;
    // The store's own: it tells of each change.
    this.#channel = openChannel(this.#name, () => this.#read());
    this.ready = this.#read();
  }

  get #name() {
    return `loupe-teach:${this.#prefix}`;
  }

  /**
   * The models as the menu lists them.
   *
   * @returns {import("../view/types").Model[]}
   */
  get entries() {
    return Array.from(this.models, ([name, { manifest }]) => {
      const { labels, language, title } = manifest;
      const last = labels.length - 1;
      const before = (at) => (at === last ? " and " : ", ");
      const knows = labels.flatMap((label, at) => [at ? before(at) : "", { label }]);
      const fixed = { count: labels.length, samples: [], isMadeHere: true };
      return { name, title, language, knows, ...fixed };
    });
  }

  /** The name of a model's base, or null if the model isn't here. */
  baseOf(name) {
    return this.models.get(name)?.manifest.base.name ?? null;
  }

  /** Delete a model, if the visitor wants that. */
  async askToDelete(parent, name, onDeleted = () => {}) {
    const { openMenu } = await import("../view/teach_dialogs.mjs");
    const { title } = this.models.get(name).manifest;
    const line = "It is only in this browser. A file that you saved of it stays.";
    const remove = async () => {
      await this.#use((store) => store.setModel(name, null));
      await this.#read();
      onDeleted();
    };
    openMenu(parent, `Delete “${title}”?`, line, [["Delete it", "trash", remove]]);
  }

  close() {
    this.#onchange = () => {};
    this.#channel?.close();
  }

  async #read() {
    // Private windows may keep nothing.
    const models = await this.#use((store) => store.models()).catch(() => null);
    if (models) this.models = models;
    this.#onchange();
  }

  async #use(work) {
    const kept = await indexedDB.databases();
    if (!kept.some(({ name }) => name === this.#name)) return null;
    const { openStore } = await import("../teach/store.mjs");
    const store = await openStore({ prefix: this.#prefix });
    return work(store).finally(() => store.close());
  }
}
