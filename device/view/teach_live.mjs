/** Your model as the live picture asks it: another may take its place between two frames. */

import { certaintyRule, formatPercent, headline } from "./phrasing.mjs";

export class LiveModel {
  /** The base's preprocessing, once it is loaded. */
  recipe = null;
  #model = null;
  #isWatched = false;

  get state() {
    return { device: this.#model ? "ready" : "off" };
  }

  /** Answer by another model, or by none. */
  use(model) {
    if (!this.#isWatched) this.#model?.close();
    this.#model = model;
  }

  /** See `Identifier.watch`. */
  async *watch(video, options) {
    this.#isWatched = true;
    try {
      while (this.#model && !options.signal.aborted) {
        yield* this.#watchOne(this.#model, video, options);
      }
    } finally {
      this.#isWatched = false;
    }
  }

  async *#watchOne(model, video, options) {
    const { info } = model;
    try {
      for await (const prediction of model.watch(video, options)) {
        const { certainty } = certaintyRule(info, prediction);
        const percents = prediction.candidates.map((one) => formatPercent(info, one.probability));
        const words = { headline: headline(info, prediction), language: info.language, percents };
        yield { prediction, certainty, ...words };
        if (model !== this.#model) return;
      }
    } finally {
      if (model !== this.#model) model.close();
    }
  }
}
