/** Inference: the graph's outputs for a photo's pixels, or those of a head on its features. */

import { LoupeError } from "./errors.mjs";

/** @type {(loaded: Loaded, pixels: Uint8Array) => Promise<Output>} */
export async function run(loaded, pixels) {
  const { probabilities, novelty = null, features } = await loaded.engine.run(pixels);
  if (loaded.answer) return loaded.answer(features);
  return { probabilities, novelty: novelty && novelty[0] };
}

/**
 * Compare the graph's outputs for the pixels of all golden photos with those recorded in Python.
 *
 * @type {(loaded: Loaded) => Promise<void>}
 * @throws {LoupeError} "golden-mismatch"
 */
export async function testGolden(loaded) {
  const { golden } = loaded.model.graphs[loaded.graph];
  const pixels = loaded.goldenPixels;
  const size = pixels.length / golden.count;
  if (!golden.count) throw new LoupeError("bundle-damaged", "The model has no golden outputs.");
  for (let photo = 0; photo < golden.count; photo++) {
    const output = await run(loaded, pixels.slice(photo * size, (photo + 1) * size));
    const expected = golden.probabilities[photo];
    const difference = Math.max(
      ...expected.map((value, label) => Math.abs(value - output.probabilities[label])),
    );
    // Written so that NaN counts as a mismatch.
    let matches = difference <= golden.tolerance;
    if (golden.novelty) {
      const scale = Math.max(1, Math.abs(golden.novelty[photo]));
      const novelty = output.novelty ?? NaN;
      matches &&= Math.abs(novelty - golden.novelty[photo]) <= golden.tolerance * scale;
    }
    if (!matches) {
      throw new LoupeError(
        "golden-mismatch",
        `This browser doesn’t reproduce the model’s golden outputs (largest difference ` +
          `${difference.toPrecision(2)}), so its answers can’t be trusted.`,
      );
    }
  }
}
