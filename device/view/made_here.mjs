/**
 * The models that were made on this device, for the viewfinder's menu. The browser keeps them, below
 * the address of `device/`, so that the app and `/device/` have the same.
 */

import { openStore } from "../teach/store.mjs";
import { openMenu } from "./teach_dialogs.mjs";

/** Said where a link names a model that this browser doesn't have. */
export const ELSEWHERE =
  "The model in this link is on another device. If you have its file, open it on Teach.";

/**
 * @param {string} folder address of `device/`
 * @param {() => void} [onchange] is called once the models are known, and after each change
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
  #opening;
  #onchange;

  constructor(folder, onchange) {
    this.#onchange = onchange;
    const prefix = new URL(folder, document.baseURI).pathname;
    this.#opening = openStore({ prefix, onchange: () => this.#read() });
    // Private windows may keep nothing.
    this.ready = this.#read().catch(() => {});
  }

  /**
   * The models as the menu lists them.
   *
   * @returns {import("./types").Model[]}
   */
  get entries() {
    return Array.from(this.models, ([name, { manifest }]) => {
      const { labels, language, title } = manifest;
      const knows = labels.flatMap((label, at) => [at ? ", " : "", { label }]);
      const fixed = { count: labels.length, samples: [], isMadeHere: true };
      return { name, title, language, knows, ...fixed };
    });
  }

  /** The name of a model's base, or null if the model isn't here. */
  baseOf(name) {
    return this.models.get(name)?.manifest.base.name ?? null;
  }

  /** Delete a model, if the visitor wants that. */
  askToDelete(parent, name, onDeleted) {
    const { title } = this.models.get(name).manifest;
    const line = "It is only in this browser. A file that you saved of it stays.";
    const remove = async () => {
      await (await this.#opening).setModel(name, null);
      await this.#read();
      onDeleted();
    };
    openMenu(parent, `Delete “${title}”?`, line, [["Delete it", "trash", remove]]);
  }

  close() {
    this.#onchange = null;
    this.#opening.then((store) => store.close()).catch(() => {});
  }

  async #read() {
    this.models = await (await this.#opening).models();
    this.#onchange?.();
  }
}
