/** A graph run by ONNX Runtime: for those that no kernel computes, and for those of previous versions. */

import { LoupeError, messageOf } from "./errors.mjs";

/**
 * @type {(entry: Graph, model: ModelConfig) => PackedFile[]}
 * @throws {LoupeError} "engine-unavailable"
 */
export function filesOf(entry, { runtime }) {
  if (runtime) return [{ ...runtime, url: runtime.wasm }, entry];
  throw new LoupeError(
    "engine-unavailable",
    "This model needs ONNX Runtime, which this app hasn’t fetched. Use the server.",
  );
}

/**
 * @type {(files: Uint8Array<ArrayBuffer>[], options: {address: string, model: ModelConfig}) =>
 *   Promise<Engine>}
 * @throws {LoupeError} "engine-unavailable" or "bundle-damaged"
 */
export async function open([wasm, graph], { address, model }) {
  const { runtime, recipe } = model;
  const shape = [1, ...(recipe.crop ?? recipe.resize), 3];
  const ort = await importRuntime(new URL(runtime?.module ?? "", address).href);
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = 1;
  let session;
  try {
    session = await ort.InferenceSession.create(graph, {
      executionProviders: ["wasm"],
      // The small graph's weights are widened once, at load.
      extra: { session: { disable_quant_qdq: "1" } },
    });
  } catch (error) {
    throw new LoupeError("bundle-damaged", `The graph can’t be loaded: ${messageOf(error)}`);
  }
  /** @type {Engine["run"]} */
  const run = async (pixels) => {
    const input = new ort.Tensor("uint8", pixels, shape);
    const outputs = Object.entries(await session.run({ pixels: input }));
    const arrays = outputs.map(async ([name, tensor]) => {
      const array = (await tensor.getData()).slice();
      tensor.dispose();
      return [name, array];
    });
    const result = Object.fromEntries(await Promise.all(arrays));
    input.dispose();
    return result;
  };
  return { run };
}

/** @type {(url: string) => Promise<Runtime>} */
async function importRuntime(url) {
  try {
    return await import(url);
  } catch (error) {
    throw new LoupeError("engine-unavailable", `${url} can’t be run: ${messageOf(error)}`);
  }
}
