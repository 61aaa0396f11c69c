/**
 * The worker of a model: decodes, resizes, runs the graph and tests it.
 */

/** @import { FrameValues, Golden, Graph, GraphName, InferenceSession } from "../types" */
/** @import { ModelConfig, Output, Progress, Runtime, WorkerCalls } from "../types" */

import { downloadAll, fetchModel, importRuntime } from "./download.mjs";
import { LoupeError, messageOf } from "./errors.mjs";
import { decode, testPixels } from "./photo.mjs";
import { MAX_INFERENCES, occlusionMap } from "./occlusion.mjs";
import { predict, ranking } from "./prediction.mjs";
import { pack } from "./packing.mjs";
import { preprocess } from "./preprocess.mjs";

/** @typedef {{model: ModelConfig, graph: GraphName, ort: Runtime, session: InferenceSession}} Loaded */

/** @type {Loaded | null} */
let loaded = null;
/**
 * The last outputs of the video that is being watched.
 *
 * @type {{number: number, outputs: Output[]}}
 */
let watched = { number: 0, outputs: [] };

/** Counts explanations that were started or stopped; only the newest continues. */
let explanations = 0;

/** @type {WorkerCalls} */
const calls = { load, identify, explain, stopExplaining, canPrepare, prepare };

onmessage = async ({ data: { number, name, values } }) => {
  const call = calls[/** @type {keyof WorkerCalls} */ (name)];
  /** @type {Progress} */
  const onProgress = (done, total) => postMessage({ number, progress: [done, total] });
  try {
    postMessage({ number, result: await call(values, onProgress) });
  } catch (error) {
    const code = error instanceof LoupeError ? error.code : "engine-unavailable";
    postMessage({ number, error: { code, message: messageOf(error) } });
  }
};

/** @type {WorkerCalls["load"]} */
async function load({ address, graph }, onProgress) {
  const model = await fetchModel(address);
  const entry = Object.hasOwn(model.graphs, graph) ? model.graphs[graph] : null;
  if (!entry) throw new LoupeError("no-such-model", `${model.name} has no graph '${graph}'.`);
  await testPixels();
  const [wasm, bytes, golden] = await downloadAll(address, model, entry, onProgress);
  const ort = await importRuntime(new URL(model.runtime.module, address).href);
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = 1;
  let session;
  try {
    session = await ort.InferenceSession.create(bytes, {
      executionProviders: ["wasm"],
      // The small graph's weights are widened once, at load.
      extra: { session: { disable_quant_qdq: "1" } },
    });
  } catch (error) {
    throw new LoupeError("bundle-damaged", `The graph can’t be loaded: ${messageOf(error)}`);
  }
  const ready = { model, graph, ort, session };
  await testGolden(ready, entry.golden, golden);
  loaded = ready;
  const { graphs, runtime, ...info } = model;
  return { ...info, graph, calibrated: entry.calibration !== null && !info.words.estimated };
}

/**
 * Return the loaded model.
 *
 * @throws {LoupeError} "engine-unavailable"
 */
function requireLoaded() {
  if (!loaded) throw new LoupeError("engine-unavailable", "The model isn’t loaded.");
  return loaded;
}

/** Return whether this browser returns a photo's pixels unchanged. */
async function canPrepare() {
  return testPixels().then(
    () => true,
    () => false,
  );
}

/**
 * Return what a model takes of a photo, without the model.
 *
 * @type {WorkerCalls["prepare"]}
 */
async function prepare({ source, recipe, limits }) {
  const image = await decode(source, recipe, limits);
  const [, width] = recipe.crop ?? recipe.resize;
  return pack(preprocess(image, recipe, { isFitted: true }), width);
}

/** @type {WorkerCalls["identify"]} */
async function identify({ source, top, region, stream }) {
  if (!loaded && !(source instanceof Blob)) source.close();
  const ready = requireLoaded();
  const { model, graph } = ready;
  const started = performance.now();
  const image = await decode(source, model.recipe, model.limits, region);
  const decoded = performance.now();
  const pixels = preprocess(image, model.recipe, { isFitted: true });
  const preprocessed = performance.now();
  const output = await run(ready, pixels);
  const finished = performance.now();
  const milliseconds = {
    decode: decoded - started,
    preprocess: preprocessed - decoded,
    engine: finished - preprocessed,
    total: finished - started,
  };
  return predict(model, graph, stream ? averaged(output, stream) : output, milliseconds, top);
}

/**
 * Return the mean of a video's last outputs, with this one.
 *
 * @param {Output} output
 * @param {NonNullable<FrameValues["stream"]>} stream
 * @returns {Output}
 */
function averaged(output, { number, average }) {
  if (watched.number !== number) watched = { number, outputs: [] };
  watched.outputs = [...watched.outputs, output].slice(-average);
  /** @param {(output: Output) => number} valueOf */
  const mean = (valueOf) =>
    watched.outputs.reduce((sum, one) => sum + valueOf(one), 0) / watched.outputs.length;
  return {
    probabilities: output.probabilities.map((_, label) => mean((one) => one.probabilities[label])),
    novelty: output.novelty === null ? null : mean((one) => one.novelty ?? 0),
  };
}

/**
 * Return the occlusion map of a photo's top label.
 *
 * @type {WorkerCalls["explain"]}
 */
async function explain({ source, seconds }, onProgress) {
  const ready = requireLoaded();
  const { recipe, limits } = ready.model;
  const turn = ++explanations;
  const image = await decode(source, recipe, limits);
  const pixels = preprocess(image, recipe, { isFitted: true });
  const [label] = ranking((await run(ready, pixels)).probabilities);
  /** @param {Uint8Array} covered */
  const probabilityOf = async (covered) => {
    // A photo may arrive, or this explanation be stopped, in between.
    await new Promise((resolve) => setTimeout(resolve));
    if (turn !== explanations) throw new LoupeError("stopped", "The explanation was stopped.");
    return (await run(ready, covered)).probabilities[label];
  };
  /** @param {number} done */
  const count = (done) => onProgress(done, MAX_INFERENCES);
  return occlusionMap(pixels, recipe.crop ?? recipe.resize, probabilityOf, seconds, count);
}

async function stopExplaining() {
  explanations++;
}

/**
 * Run the graph on a photo's pixels.
 *
 * @type {(loaded: Loaded, pixels: Uint8Array) => Promise<Output>}
 */
async function run({ model, ort, session }, pixels) {
  const [height, width] = model.recipe.crop ?? model.recipe.resize;
  const input = new ort.Tensor("uint8", pixels, [1, height, width, 3]);
  const outputs = await session.run({ pixels: input });
  const probabilities = (await outputs.probabilities.getData()).slice();
  const novelty = outputs.novelty ? (await outputs.novelty.getData())[0] : null;
  for (const tensor of Object.values(outputs)) tensor.dispose();
  input.dispose();
  return { probabilities, novelty };
}

/**
 * Compare the graph's outputs for the pixels of all golden photos with those recorded in Python.
 *
 * @type {(loaded: Loaded, golden: Golden, pixels: Uint8Array) => Promise<void>}
 */
async function testGolden(loaded, golden, pixels) {
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
