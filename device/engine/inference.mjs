/** Inference: the graph's outputs for a photo's pixels, or those of a head on its features. */

/** @import { Golden, GraphName, InferenceSession, ModelConfig, Output, Runtime } from "../types" */

import { LoupeError } from "./errors.mjs";

/**
 * @typedef {object} Loaded
 * @property {string} address
 * @property {ModelConfig} model
 * @property {GraphName} graph
 * @property {Runtime} ort
 * @property {InferenceSession} session
 * @property {(features: Float32Array) => Output} [answer] of a taught model
 */

/** @type {(loaded: Loaded, pixels: Uint8Array) => Promise<Output>} */
export async function run(loaded, pixels) {
  const { probabilities, novelty = null, features } = await runGraph(loaded, pixels);
  if (loaded.answer) return loaded.answer(features);
  return { probabilities, novelty: novelty && novelty[0] };
}

/**
 * Return the graph's outputs by name.
 *
 * @type {(loaded: Loaded, pixels: Uint8Array) => Promise<Record<string, Float32Array>>}
 */
export async function runGraph({ model, ort, session }, pixels) {
  const [height, width] = model.recipe.crop ?? model.recipe.resize;
  const input = new ort.Tensor("uint8", pixels, [1, height, width, 3]);
  const outputs = Object.entries(await session.run({ pixels: input }));
  const arrays = outputs.map(async ([name, tensor]) => {
    const array = (await tensor.getData()).slice();
    tensor.dispose();
    return [name, array];
  });
  const result = Object.fromEntries(await Promise.all(arrays));
  input.dispose();
  return result;
}

/**
 * Compare the graph's outputs for the pixels of all golden photos with those recorded in Python.
 *
 * @type {(loaded: Loaded, golden: Golden, pixels: Uint8Array) => Promise<void>}
 */
export async function testGolden(loaded, golden, pixels) {
  const size = pixels.length / golden.count;
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
