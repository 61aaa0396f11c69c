/** Trains once the photos have stopped changing, and keeps the features for that. */

import { phraseError } from "../engine/errors.mjs";
import { outcomeOf } from "./teach_words.mjs";

const AFTER_MS = 100;

export class Training {
  /** Features by the photos' ids, for the base. */
  features = new Map();
  #base = null;
  #store = null;
  #live;
  #getProject;
  #onchange;
  #turn = 0;
  #timer = null;

  /**
   * @param {import("./teach_live.mjs").LiveModel} live answers by the newest model
   * @param {() => any} getProject returns null while photos are being added
   * @param {(changes: object) => void} onchange is called with what was learnt, or why not
   */
  constructor(live, getProject, onchange) {
    this.#live = live;
    this.#getProject = getProject;
    this.#onchange = onchange;
  }

  /** Use a base that was loaded, and the features that are kept. */
  async begin(base, store) {
    this.features = await store.features(base.info.features.sha256);
    [this.#base, this.#store] = [base, store];
  }

  soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#train(), AFTER_MS);
  }

  async #train() {
    const project = this.#getProject();
    if (!this.#base || !project) return;
    const turn = ++this.#turn;
    const has = (label) => project.photos.some((photo) => photo.label === label);
    const labels = project.labels.filter(has);
    try {
      if (labels.length < 2) {
        this.#live.use(null);
        return this.#onchange({ outcome: null, taught: null });
      }
      const ids = project.photos.map(({ id }) => id);
      await this.#complete(project.photos);
      const photos = project.photos.map(({ id, label, recording }) => {
        return { label, recording, features: this.features.get(id) };
      });
      const given = { title: project.title, labels, photos };
      const { taught, result } = await this.#base.teach(given);
      const model = await this.#base.attach(taught);
      if (turn !== this.#turn) return model.close();
      this.#live.use(model);
      return this.#onchange({ taught, outcome: outcomeOf(result, labels, ids) });
    } catch (error) {
      return error.code === "stopped" || this.#onchange({ note: phraseError(error) });
    }
  }

  /** Compute the features of photos that come from a file or have been seen by another base. */
  async #complete(photos) {
    const base = this.#base.info.features.sha256;
    for (const { id, photo } of photos.filter((one) => !this.features.has(one.id))) {
      const features = await this.#base.features(photo);
      this.features.set(id, features);
      await this.#store.setFeatures(id, base, features);
    }
  }
}
